// Keys of a table whose rows carry data-row: j and k go from row to row, o opens the row's object, f
// goes to the filters, p pins it where one may, v presses what has data-key="v". Deaf while somebody types, while a key
// repeats, and in dialogs.

const ROW_DEAF = 700; // as on the page of a case: a key meant for the page before does nothing here
let rowsListen = false;
setTimeout(() => { rowsListen = true; }, ROW_DEAF);

function types(target) {
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const now = rows.indexOf(document.activeElement?.closest("[data-row]"));
  const next = rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by];
  next?.querySelector("[data-row-open]")?.focus();
}

function open_() {
  document.activeElement?.closest("[data-row]")?.querySelector("[data-row-open]")?.click();
}

function filters() {
  document.querySelector(".filters input, .filters select")?.focus();
}

const ROW_KEYS = {
  j: () => step(1),
  k: () => step(-1),
  o: open_,
  p: () => document.activeElement?.closest("[data-row]")?.querySelector("[data-row-pin]")?.click(),
  f: filters,
  v: () => document.querySelector("[data-key='v']")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (!rowsListen || event.repeat || event.isComposing || types(event.target)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (document.documentElement.dataset.letters === "off" || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || !Object.hasOwn(ROW_KEYS, event.key)) return;
  event.preventDefault();
  ROW_KEYS[event.key]();
});
