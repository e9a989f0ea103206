//! Of a script that fails, the part that fails too.

/// Leaves out halves, quarters and so on down to single steps, as long as what is left fails, in at most so many tries.
/// The answer is the last that was found to fail; everything if nothing was.
pub(super) fn shrink(all: &[usize], tries_max: usize, mut fails: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut steps = all.to_vec();
    let mut tries = 0..tries_max;
    if tries.next().is_none() || !fails(&steps) {
        return steps;
    }
    let mut size = steps.len();
    while size > 1 {
        size = size.div_ceil(2);
        let mut at = 0;
        while at < steps.len() {
            if tries.next().is_none() {
                return steps;
            }
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += size;
            }
        }
    }
    steps
}

#[test]
fn what_a_failure_does_not_need_is_left_out() {
    let all: Vec<usize> = (0..150).collect();
    let needed = [17, 18, 140];

    assert_eq!(shrink(&all, 200, |steps| needed.iter().all(|step| steps.contains(step))), needed);
    assert_eq!(shrink(&all, 200, |_| true), [0; 0]);
    let mut tries = 0;
    let some = shrink(&all, 5, |steps| {
        tries += 1;
        steps.contains(&17)
    });
    assert!(tries == 5 && some.len() < 75 && some.contains(&17), "{tries}: {some:?}");
    assert_eq!(shrink(&all, 200, |_| false), all, "a failure that does not come again");
}
