// A text to copy: the button selects it and copies it, where the browser lets us; else it stays
// selected, ready for the keyboard.

for (const part of document.querySelectorAll("[data-copies]")) {
  const text = part.querySelector("textarea");
  const button = part.querySelector("[data-copy]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    text.focus();
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected: copy it by keyboard";
    }
  });
}
