// Keys of every page: g and a letter go to a page of the rail, / to the filters, ? shows the sheet, and
// what has data-hotkey is pressed, opened or focused by its key. Deaf while somebody types, while a key
// repeats, in dialogs, and for the first 700 ms of a page: a key meant for the page before must do
// nothing here. Typing that began in that time keeps the page deaf until it rests; the hints have
// dotted edges until then. Where a person switched single letters off, none of these works.

const KEYS_DEAF = 700;
const KEYS_GO = 1500; // between g and the letter of a page
let wentAt = -KEYS_GO;
let deaf = setTimeout(hear, KEYS_DEAF);

function hear() {
  deaf = 0;
  document.documentElement.dataset.keys = "ready";
}

function typesIn(target) {
  return target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName)
    || (target.tagName === "INPUT" && !["radio", "checkbox", "button", "submit"].includes(target.type));
}

function use(target) {
  target.closest("[data-tab]")?.dispatchEvent(new Event("tab:show", { bubbles: true }));
  if (target.matches("details")) {
    target.open = true;
    target.querySelector("summary").focus();
  } else if (target.matches("a, button")) target.click();
  else {
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
  }
}

function everywhere(event) {
  const key = event.key;
  if (event.ctrlKey || event.metaKey || event.altKey || key.length !== 1) return false;
  if (performance.now() - wentAt < KEYS_GO) {
    wentAt = -KEYS_GO;
    if (/^[a-z]$/.test(key)) document.querySelector(`[data-go="${key}"]`)?.click();
    return true;
  }
  if (key === "?") {
    document.querySelector("[data-sheet]")?.showModal();
    return true;
  }
  if (key === "g" && document.querySelector("[data-go]")) {
    wentAt = performance.now();
    return true;
  }
  if (key === "/") {
    const field = document.querySelector(".filters input, .filters select");
    field?.focus();
    return Boolean(field);
  }
  const hot = document.querySelector(`[data-hotkey="${CSS.escape(key)}"]`);
  if (hot) use(hot);
  return Boolean(hot);
}

document.addEventListener("keydown", (event) => {
  if (deaf && !typesIn(event.target)) {
    clearTimeout(deaf);
    deaf = setTimeout(hear, KEYS_DEAF);
  }
  if (deaf || event.repeat || event.isComposing || typesIn(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (document.documentElement.dataset.letters === "off") return;
  if (everywhere(event)) event.preventDefault();
});

for (const button of document.querySelectorAll("[data-sheet-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.querySelector("[data-sheet]").showModal());
}
