// The sources: Ace replaces each textarea with data-source and writes back to it. Without Ace, everything below works
// on the textareas.
"use strict";

const sources = (() => {
  const editors = new Map(); // by part: html, text
  const marks = new Map();
  let last = null; // where the caret was last: a part, or the subject's input
  const theme = { cssClass: "ace-mailadmin", cssText: "", isDark: false, padding: 8 }; // its rules are in editor_source.css
  const needsMoreFiles = ["showSettingsMenu", "gotoline", "openCommandPalette", "openCommandPallete"];

  const dress = (textarea) => {
    const place = document.createElement("div");
    place.className = "source-editor";
    textarea.before(place);
    const editor = ace.edit(place, {
      useWorker: false, // the Content-Security-Policy allows none
      wrap: true,
      tabSize: 2,
      useSoftTabs: true,
      fontSize: 13,
      showPrintMargin: false,
      scrollPastEnd: 0.2,
      enableKeyboardAccessibility: true, // Tab skips the editor; Enter enters it, Esc leaves it
      textInputAriaLabel: textarea.labels[0]?.textContent ?? textarea.name,
    });
    editor.setTheme(theme);
    editor.session.setUseWorker(false);
    editor.session.setMode("ace/mode/nunjucks"); // Jinja within HTML
    editor.session.setValue(textarea.value);
    for (const name of needsMoreFiles) editor.commands.removeCommand(name);
    editor.on("focus", () => (last = textarea.dataset.source));
    editor.session.on("change", () => {
      textarea.value = editor.getValue();
      textarea.dispatchEvent(new Event("input", { bubbles: true }));
    });
    textarea.hidden = true;
    editors.set(textarea.dataset.source, editor);
  };

  if (window.ace) {
    ace.config.set("useStrictCSP", true); // no style elements; ace.css is linked instead
    for (const textarea of document.querySelectorAll("textarea[data-source]")) dress(textarea);
  }
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#id_subject, textarea[data-source]")) last = event.target.dataset.source ?? "subject";
  });

  const field = (part) => document.getElementById(`id_${part}`);

  // Insert `text` where the caret was last, if that is visible, else at the caret of the open part.
  const insert = (text) => {
    const open = document.querySelector(".editor-part[data-open] textarea[data-source]")?.dataset.source;
    const part = last === "subject" || !open ? (last === "subject" ? "subject" : open) : open;
    if (!part) return;
    if (editors.has(part)) {
      editors.get(part).insert(text);
      editors.get(part).focus();
      return;
    }
    const input = field(part);
    input.setRangeText(text, input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  };

  // Move the caret to a line, counted from 1; 0: to the start.
  const goTo = (part, line) => {
    if (editors.has(part)) {
      const editor = editors.get(part);
      editor.resize(true);
      editor.gotoLine(Math.max(1, line), 0, false);
      editor.focus();
      return;
    }
    const input = field(part);
    if (!input) return;
    const before = input.value.split("\n").slice(0, Math.max(0, line - 1)).join("\n").length;
    input.focus();
    input.setSelectionRange(before + (line > 1 ? 1 : 0), before + (line > 1 ? 1 : 0));
  };

  // Mark the lines of problems, a list of {part, line, message}.
  const mark = (problems) => {
    for (const [part, editor] of editors) {
      const here = problems.filter((one) => one.part === part && one.line > 0);
      editor.session.setAnnotations(here.map((one) => ({ row: one.line - 1, column: 0, text: one.message, type: "error" })));
      for (const id of marks.get(part) ?? []) editor.session.removeMarker(id);
      const { Range } = ace.require("ace/range");
      const line = (row) => editor.session.addMarker(new Range(row, 0, row, 1), "problem-line", "fullLine");
      marks.set(part, here.map((one) => line(one.line - 1)));
    }
    const subject = field("subject");
    if (subject) subject.toggleAttribute("aria-invalid", false);
    if (subject && problems.some((one) => one.part === "subject")) subject.setAttribute("aria-invalid", "true");
  };

  return { insert, goTo, mark, resize: () => editors.forEach((editor) => editor.resize()) };
})();
