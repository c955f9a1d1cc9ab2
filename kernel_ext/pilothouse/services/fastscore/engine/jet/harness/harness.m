% The line protocol of a jet around an Octave model, and what the model sees:
%   action(data), action(data, slot) or action(data, slot, seqno)
%   begin(), finish()      both optional; "end" is a word of the language
%   emit(value), emit(value, slot)
1;

function emit(value, slot = 1)
  global fastscore_replies;
  fprintf(fastscore_replies, "emit %d %s\n", slot, jsonencode(value));
end

function fastscore_fail(err)
  global fastscore_replies;
  where = "";
  if (! isempty(err.stack))
    where = sprintf(" in %s, line %d", err.stack(1).name, err.stack(1).line);
  end
  fprintf(fastscore_replies, "error %s\n", jsonencode([err.message where]));
  fflush(fastscore_replies);
  exit(1);
end

function fastscore_serve(line, actions)
  if (strcmp(line, "begin") || strcmp(line, "end"))
    name = ifelse_(strcmp(line, "end"), "finish", "begin");
    if (exist(name) == 103)
      feval(name);
    end
    return;
  end
  [slot, rest] = strtok(line(8:end));
  [seqno, rest] = strtok(rest);
  name = "action";
  for i = 1:numel(actions)
    pair = strsplit(actions{i}, "=");
    if (strcmp(pair{1}, slot))
      name = pair{2};
    end
  end
  given = {jsondecode(rest(2:end)), str2double(slot), str2double(seqno)};
  feval(name, given{1:max(1, min(3, abs(nargin(name))))});
end

function value = ifelse_(condition, yes, no)
  if (condition)
    value = yes;
  else
    value = no;
  end
end

function fastscore_main(args)
  global fastscore_replies;
  requests = fopen(args{1}, "r");
  fastscore_replies = fopen(args{2}, "w");
  try
    source(args{3});
    while (ischar(line = fgetl(requests)))
      line = strtrim(line);   % the jet writes a space behind each line end
      if (isempty(line))
        continue;
      end
      fastscore_serve(line, args(4:end));
      fflush(stdout);
      fprintf(fastscore_replies, "done \n");
      fflush(fastscore_replies);
    end
  catch err
    fastscore_fail(err);
  end_try_catch
end

fastscore_main(argv());
