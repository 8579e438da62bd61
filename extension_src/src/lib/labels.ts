/** The model's labels in the person's language. */

export type Translate = (key: string, ...substitutions: readonly string[]) => string;

/** A label's name in running text; a model's own label, without underscores, where we have no word. */
export function labelName(label: string, translate: Translate): string {
  const key = `label_${label}`;
  const name = translate(key);
  return name === key ? label.replaceAll("_", " ") : name;
}
