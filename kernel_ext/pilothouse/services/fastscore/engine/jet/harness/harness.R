# The line protocol of a jet around an R model, and what the model sees:
#   action(data), action(data, slot) or action(data, slot, seqno); begin(), end()
#   emit(value), emit(value, slot)
#   Cell(name), Pool(name); Get(x), Set(x, value), Update(x, f); of a pool with a key
# Values come as R expressions that the jet has made, and go as JSON text.
local({
  args <- commandArgs(trailingOnly = TRUE)
  requests <- fifo(args[1], "r", blocking = TRUE)
  replies <- fifo(args[2], "w", blocking = TRUE)
  source_file <- args[3]
  actions <- strsplit(args[-(1:3)], "=", fixed = TRUE)
  actions <- setNames(lapply(actions, `[`, 2), vapply(actions, `[`, "", 1))

  quoted <- function(text) {
    text <- enc2utf8(as.character(text))
    text <- gsub("\\", "\\\\", text, fixed = TRUE)
    text <- gsub("\"", "\\\"", text, fixed = TRUE)
    text <- gsub("\n", "\\n", text, fixed = TRUE)
    text <- gsub("\r", "\\r", text, fixed = TRUE)
    text <- gsub("\t", "\\t", text, fixed = TRUE)
    text <- gsub("[[:cntrl:]]", " ", text)
    paste0("\"", text, "\"")
  }
  scalar <- function(value) {
    if (is.na(value)) return("null")
    if (is.logical(value)) return(if (value) "true" else "false")
    if (is.numeric(value)) {
      if (!is.finite(value)) stop("JSON has no ", value)
      return(format(value, digits = 17, scientific = abs(value) >= 1e15))
    }
    quoted(value)
  }
  json <- function(value) {
    if (is.null(value)) return("null")
    if (is.factor(value)) value <- as.character(value)
    if (is.data.frame(value)) {
      rows <- lapply(seq_len(nrow(value)), function(i) as.list(value[i, , drop = FALSE]))
      return(paste0("[", paste(vapply(rows, json, ""), collapse = ","), "]"))
    }
    if (is.matrix(value)) {
      rows <- lapply(seq_len(nrow(value)), function(i) json(as.vector(value[i, ])))
      return(paste0("[", paste(unlist(rows), collapse = ","), "]"))
    }
    if (!is.list(value) && length(value) == 1 && is.null(names(value))) return(scalar(value))
    items <- vapply(as.list(value), json, "")
    if (!is.null(names(value))) {
      return(paste0("{", paste0(quoted(names(value)), ":", items, collapse = ","), "}"))
    }
    paste0("[", paste(items, collapse = ","), "]")
  }
  reply <- function(...) writeLines(paste(...), replies, useBytes = TRUE)
  ask <- function(op, item, value = NULL) {
    reply("ask", json(list(op, item$pool, item$key, if (is.null(value)) list() else list(value))))
    eval(parse(text = readLines(requests, n = 1L)))
  }
  item_of <- function(x, key) {
    if (is.null(x$pool)) list(pool = "", key = x$name) else list(pool = x$pool, key = key)
  }

  emit <<- function(value, slot = 1) {
    word <- if (is.data.frame(value)) "rows" else "emit"
    reply(word, format(slot, scientific = FALSE), json(value))
  }
  Cell <<- function(name) list(name = name, pool = NULL)
  Pool <<- function(name) list(name = name, pool = name)
  Get <<- function(x, key = NULL) ask("get", item_of(x, key))
  Set <<- function(x, ...) {
    given <- list(...)
    key <- if (is.null(x$pool)) NULL else given[[1]]
    invisible(ask("set", item_of(x, key), given[[length(given)]]))
  }
  Update <<- function(x, ...) {
    given <- list(...)
    item <- item_of(x, if (is.null(x$pool)) NULL else given[[1]])
    old <- ask("hold", item)
    new <- tryCatch(given[[length(given)]](old), error = function(e) {
      ask("drop", item)
      stop(e)
    })
    ask("put", item, new)
    invisible(new)
  }

  fail <- function(e) {
    call <- conditionCall(e)
    where <- if (is.null(call)) "" else paste0(" in ", paste(deparse(call), collapse = " "))
    reply("error", quoted(paste0("Error", where, ": ", conditionMessage(e))))
    quit(save = "no", status = 1)
  }
  optional <- function(name) {
    if (exists(name, envir = globalenv(), mode = "function", inherits = FALSE)) {
      get(name, envir = globalenv())()
    }
  }
  act <- function(words) {
    name <- actions[[words[1]]]
    action <- get(if (is.null(name)) "action" else name, envir = globalenv())
    given <- list(eval(parse(text = words[3])), as.integer(words[1]), as.numeric(words[2]))
    arity <- max(1L, min(3L, length(formals(action))))
    do.call(action, given[seq_len(arity)])
  }
  tryCatch({
    source(source_file, local = globalenv())
    while (length(line <- readLines(requests, n = 1L)) > 0) {
      if (line == "begin") optional("begin")
      else if (line == "end") optional("end")
      else {
        cut <- regmatches(line, regexec("^action ([0-9]+) ([0-9]+) (.*)$", line))[[1]]
        act(cut[-1])
      }
      flush(stdout())
      reply("done", "")
    }
  }, error = fail)
})
