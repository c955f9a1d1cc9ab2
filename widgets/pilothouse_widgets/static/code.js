// Source text with line numbers and light colours; text nodes only.

import { h } from "./dom.js";

const PYTHON = {
  words:
    "and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield " +
    "None True False match case",
  comment: "#[^\\n]*",
  text: "[rbfuRBFU]{0,2}(?:\"\"\"[\\s\\S]*?(?:\"\"\"|$)|'''[\\s\\S]*?(?:'''|$)|\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?)",
};
const JSON_LIKE = { words: "true false null", comment: "#[^\\n]*", text: "\"(?:\\\\.|[^\"\\\\\\n])*\"?" };
const R = {
  words: "if else repeat while function for next break TRUE FALSE NULL NA Inf NaN in library",
  comment: "#[^\\n]*",
  text: "\"(?:\\\\.|[^\"\\\\])*\"?|'(?:\\\\.|[^'\\\\])*'?",
};
const C = {
  words:
    "auto break case char class const continue default do double else enum extends extern final " +
    "float for if implements import int interface long new null package private protected public " +
    "return short static struct switch this throw try catch void while true false",
  comment: "//[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)|#[^\\n]*",
  text: "\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?",
};
const LANGUAGES = { python: PYTHON, python3: PYTHON, jupyter: JSON_LIKE, R, octave: R, c: C, java: C, "h2o-java": C, sas: C };

/** A list of lines; colours follow the language of a model type. */
export function codeView(source, mtype) {
  const list = h("ol", { class: "ph-lines" });
  const language = LANGUAGES[mtype] ?? JSON_LIKE;
  let line = startLine(list);
  for (const [kind, text] of tokens(source, language)) {
    text.split("\n").forEach((part, i) => {
      if (i > 0) line = startLine(list);
      if (!part) return;
      line.append(kind ? h("span", { class: `ph-t-${kind}`, text: part }) : part);
    });
  }
  return list;
}

function startLine(list) {
  const code = h("code");
  list.append(h("li", {}, code));
  return code;
}

function* tokens(source, { words, comment, text }) {
  const keywords = new Set(words.split(" "));
  const pattern = new RegExp(
    `(?<comment>${comment})|(?<text>${text})|(?<number>\\b\\d[\\w.]*)|(?<name>[A-Za-z_]\\w*)|(?<mark>@[\\w.]+)`,
    "g",
  );
  let from = 0;
  let before = "";
  for (const found of source.matchAll(pattern)) {
    if (!found[0]) continue;
    if (found.index > from) yield ["", source.slice(from, found.index)];
    from = found.index + found[0].length;
    yield [kindOf(found, keywords, before), found[0]];
    if (found.groups.name) before = found[0];
  }
  if (from < source.length) yield ["", source.slice(from)];
}

function kindOf({ 0: token, groups }, keywords, before) {
  if (groups.comment !== undefined) return /fastscore\.|odg\./.test(token) ? "note" : "comment";
  if (groups.text !== undefined) return "text";
  if (groups.number !== undefined) return "number";
  if (groups.mark !== undefined) return "keyword";
  if (keywords.has(token)) return "keyword";
  return before === "def" || before === "class" ? "name" : "";
}
