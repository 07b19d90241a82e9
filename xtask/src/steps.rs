//! Steps that are done one after the other, whatever becomes of those before.

use crate::tools::Failure;

/// What became of each step.
#[derive(Default)]
pub(crate) struct Steps {
    outcomes: Vec<(&'static str, Outcome)>,
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Steps {
    /// Does a step.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<(), Failure>) {
        eprintln!("\n== {name}");
        let outcome = match step() {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.outcomes.push((name, outcome));
    }

    /// Leaves a step out.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        eprintln!("\n== {name}: skipped: {why}");
        self.outcomes.push((name, Outcome::Skipped(why.to_owned())));
    }

    /// Shows a line for each, and fails if one did.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        eprintln!();
        let mut failed = 0;
        for (name, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed => eprintln!("passed   {name}"),
                Outcome::Skipped(why) => eprintln!("skipped  {name}: {why}"),
                Outcome::Failed(why) => {
                    failed += 1;
                    eprintln!("FAILED   {name}: {why}");
                }
            }
        }
        if failed > 0 {
            Err(format!("{failed} steps failed").into())
        } else {
            Ok(())
        }
    }
}
