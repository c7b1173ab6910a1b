// Ready sentences below the reason: those of the chosen answer. A press adds one and goes to the
// box, at its end, to go on writing or to send.

const ready = document.querySelector("[data-ready]");

function choose(code) {
  const lists = [...ready.querySelectorAll("[data-ready-for]")];
  for (const list of lists) list.hidden = list.dataset.readyFor !== code;
  ready.hidden = lists.every((list) => list.hidden);
}

function add(sentence, box) {
  const written = box.value.trimEnd();
  const text = written ? `${written} ${sentence}` : sentence;
  if (!written.includes(sentence) && text.length <= box.maxLength) {
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
}

if (ready) {
  const form = ready.closest("form");
  const chosen = form.querySelector("[data-digit]:checked");
  if (chosen) choose(chosen.value);
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-digit]")) choose(event.target.value);
  });
  ready.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) add(button.textContent.trim(), form.elements.reason);
  });
}
