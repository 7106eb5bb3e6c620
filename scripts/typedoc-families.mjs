// A plugin of typedoc: on the page of Tensor methods stand under the family in whose file they are written.

import { basename } from "node:path";
import { Comment, CommentTag, Converter, ReflectionKind } from "typedoc";

const MEMBERS = ReflectionKind.Method | ReflectionKind.Property | ReflectionKind.Accessor;

/** "class-loss.ts" as "Class loss". */
function familyOf(file) {
  const text = basename(file, ".ts").replaceAll("-", " ");
  return text[0].toUpperCase() + text.slice(1);
}

function categorise(reflection, category) {
  reflection.comment ??= new Comment();
  reflection.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: category }]));
}

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const member of context.project.getReflectionsByKind(MEMBERS)) {
      if (member.parent?.name !== "Tensor") continue;
      const file = context.getSymbolFromReflection(member)?.declarations?.[0].getSourceFile().fileName;
      if (file === undefined) continue;
      const parts = member.signatures ?? [member.getSignature ?? member];
      for (const part of parts) categorise(part, familyOf(file));
    }
  });
}
