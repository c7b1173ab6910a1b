// Ctrl K, or the button, opens the box that leads anywhere. What is typed goes by POST. Enter goes to
// the first that was found, the arrows from one to the next.

const box = document.querySelector("[data-jump]");
const said = box?.querySelector("input[name=to]");

function openBox() {
  if (document.querySelector("dialog[open]")) return;
  box.showModal();
  said.select();
}

function step(by) {
  const stops = [said, ...box.querySelectorAll("[data-jump-to]")];
  const next = stops[stops.indexOf(document.activeElement) + by];
  next?.focus();
}

if (box) {
  document.addEventListener("keydown", (event) => {
    const opens = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
    if (!opens || event.shiftKey || event.altKey || event.repeat) return;
    event.preventDefault();
    openBox();
  });
  document.querySelector("[data-jump-open]")?.addEventListener("click", (event) => {
    event.preventDefault();
    openBox();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Enter" && document.activeElement === said && fresh()) {
      box.querySelector("[data-jump-to]").click();
    } else return;
    event.preventDefault();
  });
  box.addEventListener("close", () => {
    said.value = "";
    document.getElementById("jump-found").replaceChildren();
  });
}

// Whether what is shown was found for what now stands in the box.
function fresh() {
  return box.dataset.found === said.value && box.querySelector("[data-jump-to]");
}

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.closest?.("[data-jump]")) box.dataset.asked = event.detail.parameters.to ?? said.value;
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "jump-found") box.dataset.found = box.dataset.asked;
});
