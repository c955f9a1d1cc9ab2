import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;

/**
 * What a Java model sees, and the line protocol of a jet around it.
 *
 * <p>The model is a class with a static method {@code action(String json)}, which may take
 * {@code int slot} and {@code long seqno} too; it returns JSON text for slot 1, or null, and
 * may call {@link #emit}. Static methods {@code begin()} and {@code end()} are optional.
 */
public final class FastScore {
  private static BufferedWriter replies;

  private FastScore() {}

  /** Puts out a record: one line of JSON text. */
  public static void emit(int slot, String json) throws IOException {
    reply("emit " + slot + " " + json.replace('\n', ' ').replace('\r', ' '));
  }

  /** Arguments: two handles, the class, then slot=method for each input slot. */
  public static void main(String[] args) throws Exception {
    BufferedReader requests =
        new BufferedReader(
            new InputStreamReader(
                new FileInputStream("/dev/fd/" + args[0]), StandardCharsets.UTF_8));
    replies =
        new BufferedWriter(
            new OutputStreamWriter(
                new FileOutputStream("/dev/fd/" + args[1]), StandardCharsets.UTF_8));
    try {
      Class<?> model = Class.forName(args[2]);
      String request;
      while ((request = requests.readLine()) != null) {
        serve(model, request, args);
        System.out.flush();
        reply("done ");
        replies.flush();
      }
    } catch (Throwable exc) {
      Throwable cause = exc instanceof InvocationTargetException ? exc.getCause() : exc;
      StringWriter trace = new StringWriter();
      cause.printStackTrace(new PrintWriter(trace));
      reply("error " + quoted(trace.toString()));
      replies.flush();
      System.exit(1);
    }
  }

  private static void serve(Class<?> model, String request, String[] args) throws Exception {
    String[] words = request.split(" ", 4);
    if (!words[0].equals("action")) {
      Method method = find(model, words[0], false);
      if (method != null) {
        method.invoke(null);
      }
      return;
    }
    String name = "action";
    for (int i = 3; i < args.length; i++) {
      if (args[i].startsWith(words[1] + "=")) {
        name = args[i].substring(words[1].length() + 1);
      }
    }
    Method action = find(model, name, true);
    Object[] all = {words[3], Integer.valueOf(words[1]), Long.valueOf(words[2])};
    Object[] given = new Object[action.getParameterCount()];
    System.arraycopy(all, 0, given, 0, given.length);
    Object output = action.invoke(null, given);
    if (output != null) {
      emit(1, output.toString());
    }
  }

  private static Method find(Class<?> model, String name, boolean needed) throws Exception {
    for (Method method : model.getDeclaredMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() <= 3) {
        method.setAccessible(true);
        return method;
      }
    }
    if (needed) {
      throw new NoSuchMethodException("no static method " + name + " in " + model.getName());
    }
    return null;
  }

  private static void reply(String line) throws IOException {
    replies.write(line);
    replies.write('\n');
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }
}
