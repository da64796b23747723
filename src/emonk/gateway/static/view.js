// Keeps the end of a conversation in view, until the reader scrolls away from it.

const END = 40; // pixels: scrolled to within these, the reader is at the end

export class View {
  // `shown` tells whether there is a conversation in `log`.
  constructor(scroll, log, shown) {
    this.scroll = scroll;
    this.shown = shown;
    this.following = true;
    this.scrolledTo = 0;
    const sizes = new ResizeObserver(() => this.keepUp());
    sizes.observe(log);
    sizes.observe(scroll);
    scroll.addEventListener("scroll", () => this.scrolled());
    log.addEventListener("click", (event) => { if (event.target.closest("summary")) this.following = false; });
  }

  follow() { this.following = true; }

  // Called when what is shown or the room for it has a new size, before that is painted.
  keepUp() {
    if (this.following && this.shown()) this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  // Where less is left to show than was scrolled past, the browser scrolls up by itself, to the very end.
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const left = scrollHeight - scrollTop - clientHeight;
    if (scrollTop < this.scrolledTo && left > 1) this.following = false;
    if (scrollTop > this.scrolledTo && left < END) this.following = true;
    this.scrolledTo = scrollTop;
  }
}
