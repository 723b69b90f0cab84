/** Finds the element with this id and class. Throws if the page has no such element. */
export function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} #${id}.`);
  return found;
}

/** Sets the text of an element and shows the element. Hides the element if the text is empty. */
export function say(target: HTMLElement, text: string): void {
  target.textContent = text;
  target.hidden = text === '';
}
