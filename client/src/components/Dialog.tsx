import { X } from "lucide-react";
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

interface Props {
  title: ReactNode;
  onClose(): void;
  children: ReactNode;
  /** side: a drawer that stands at the right edge. */
  kind?: "narrow" | "wide" | "side";
}

const kinds = {
  narrow: "w-[min(520px,calc(100vw-16px))] rounded-2xl",
  wide: "w-[min(760px,calc(100vw-16px))] rounded-2xl",
  side: "mr-0 ml-auto my-0 h-dvh max-h-dvh w-[min(560px,100vw)] border-y-0 border-r-0",
};

/**
 * A dialog over the page. It is the browser's own: it holds the focus and gives it back, closes by Escape, and makes the rest
 * inert. Radix' would put a style element into the page to stop its scrolling, which the content policy forbids.
 */
export function Dialog({ title, onClose, children, kind = "narrow" }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // Closed while it is still in the page: the browser gives the focus back only then.
  useLayoutEffect(() => {
    const dialog = box.current!;
    if (!dialog.open) {
      dialog.showModal();
      // The first field, or what is marked as first; else the browser takes the first control, which closes it.
      (dialog.querySelector<HTMLElement>("[data-first]") ?? dialog.querySelector<HTMLElement>("input, select, textarea"))?.focus({ preventScroll: true });
    }
    document.documentElement.style.overflow = "hidden";
    return () => {
      dialog.close();
      document.documentElement.style.overflow = "";
    };
  }, []);
  return (
    <dialog ref={box} aria-labelledby={titleId} className={`max-h-[calc(100dvh-16px)] scroll-pt-16 scroll-pb-20 overflow-y-auto border border-line-strong p-0 ${kinds[kind]}`}
      onCancel={(e) => { e.preventDefault(); onClose(); }} onClick={(e) => { if (e.target === e.currentTarget) onClose(); }}>
      <div className="sticky top-0 z-10 flex items-start gap-3 border-b border-line bg-card px-5 py-3.5">
        <h2 id={titleId} className="min-w-0 flex-1 pt-1">{title}</h2>
        <button type="button" className="button button-plain button-icon -my-0.5 -mr-2" onClick={onClose} aria-label="Close"><X className="size-5" aria-hidden /></button>
      </div>
      <div className="px-5 py-4">{children}</div>
    </dialog>
  );
}

/** Asks before something is done that cannot be taken back. */
export function Confirm({ title, children, word, danger, pending, onConfirm, onClose }: {
  title: string; children: ReactNode; word: string; danger?: boolean; pending?: boolean; onConfirm(): void; onClose(): void;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="text-ink-2">{children}</div>
      <div className="mt-5 flex flex-wrap justify-end gap-2">
        <button type="button" className="button" data-first onClick={onClose}>Cancel</button>
        <button type="button" className={`button ${danger ? "button-danger" : "button-main"}`} disabled={pending} onClick={onConfirm}>{word}</button>
      </div>
    </Dialog>
  );
}
