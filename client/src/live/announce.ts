/** Says something to people who listen rather than look. The region that speaks stands in the layout. */
export function announce(text: string) {
  const region = document.getElementById("announcer");
  if (!region) return;
  // The same words twice are otherwise no change, and are not read out.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
