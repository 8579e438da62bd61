/** The site that a frame belongs to, as people name it: the host in the address bar. */

interface FrameWindow {
  readonly location: { readonly hostname: string; readonly ancestorOrigins?: ArrayLike<string> };
  readonly top: { readonly location: { readonly hostname: string } } | null;
}

/**
 * `location.hostname` of the top page, so that one switch covers its frames too. A frame of another
 * origin that cannot learn it (Firefox before `ancestorOrigins`) answers with its own host. Empty
 * for local files.
 */
export function siteOf(frame: FrameWindow): string {
  try {
    if (frame.top !== null) return frame.top.location.hostname;
  } catch {
    // A top page of another origin: its address is refused, its origin may be listed.
  }
  const origins = Array.from(frame.location.ancestorOrigins ?? []);
  const top = origins.at(-1);
  if (top !== undefined && URL.canParse(top)) return new URL(top).hostname;
  return frame.location.hostname;
}
