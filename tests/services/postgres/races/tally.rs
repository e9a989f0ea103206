//! How often each rule was judged, and what broke it.

use std::fmt;

/// What must hold, by the names in the table of [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
}

impl Rule {
    const ALL: [Self; 9] = [Self::I1, Self::I2, Self::I3, Self::I4, Self::I5, Self::I6, Self::I7, Self::I8, Self::I9];
}

/// All judgements.
#[derive(Debug, Default)]
pub(super) struct Tally {
    judged: [usize; Rule::ALL.len()],
    broken: [usize; Rule::ALL.len()],
    /// Each begins with the name of what it breaks.
    pub(super) violations: Vec<String>,
}

impl Tally {
    /// Takes a judgement in.
    pub(super) fn judge(&mut self, rule: Rule, holds: bool, breach: impl FnOnce() -> String) {
        self.judged[rule as usize] += 1;
        if !holds {
            self.broken[rule as usize] += 1;
            self.violations.push(format!("{rule:?}: {}", breach()));
        }
    }

    /// Takes in that a rule has held so many times.
    pub(super) fn held(&mut self, rule: Rule, times: usize) {
        self.judged[rule as usize] += times;
    }

    /// The rules that nothing was judged by.
    pub(super) fn unjudged(&self) -> Vec<Rule> {
        Rule::ALL.into_iter().filter(|rule| self.judged[*rule as usize] == 0).collect()
    }
}

/// Of each rule, how many of its judgements found it broken.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |rule: Rule| format!("{rule:?} {} of {}", self.broken[rule as usize], self.judged[rule as usize]);
        f.write_str(&Rule::ALL.map(of).join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_counts_of_its_own() {
        let mut tally = Tally::default();
        tally.judge(Rule::I1, true, || unreachable!("it holds"));
        tally.held(Rule::I2, 2);
        tally.judge(Rule::I2, false, || "late".to_owned());

        assert!(tally.to_string().starts_with("I1 0 of 1, I2 1 of 3, I3 0 of 0, "), "{tally}");
        assert_eq!(tally.violations, ["I2: late"]);
        assert_eq!(tally.unjudged().len(), Rule::ALL.len() - 2);
    }
}
