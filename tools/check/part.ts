/** What a part of the check is asked, in a process of its own. */
export interface Question {
  readonly root: string;
  /** From the root. */
  readonly files: readonly string[];
}

/** What it says of them. */
export interface Finding {
  /** For people; empty where all is fine. */
  readonly problems: string;
  /** Of the files, those without any. */
  readonly fine: readonly string[];
}

/** Answers the one question that the parent sends. */
export function answer(look: (question: Question) => Promise<Finding>): void {
  process.once('message', (question: Question) => {
    void look(question).then(
      (finding) => process.send?.(finding, () => process.disconnect()),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
