//! The workloads, in the order of the report.

mod produce;

mod deliver;
mod fanout;

mod mixed;
mod pending;
mod scan;

mod add;
mod claim;
mod cycle;
mod history;

pub mod fill;
mod page;

use anyhow::bail;

use crate::workload::Workload;

/// All workloads.
pub fn all() -> Vec<Workload> {
    [
        produce::WORKLOADS,
        deliver::WORKLOADS,
        pending::WORKLOADS,
        scan::WORKLOADS,
        mixed::WORKLOADS,
        fanout::WORKLOADS,
        add::WORKLOADS,
        cycle::WORKLOADS,
        history::WORKLOADS,
        claim::WORKLOADS,
    ]
    .concat()
}

/// The workloads of these names; all of them without any name. A name also stands for all that
/// continue it behind a dash.
///
/// # Errors
/// A name stands for none.
pub fn named(names: &[String]) -> anyhow::Result<Vec<Workload>> {
    let stands_for = |name: &str, workload: &Workload| {
        workload
            .name
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    for name in names {
        // The exact name wins over the longer ones, so that every workload can be had alone.
        if !all().iter().any(|workload| stands_for(name, workload)) {
            bail!("there is no workload {name:?}; `list` shows them");
        }
    }
    let exact = |name: &str| all().iter().any(|workload| workload.name == name);
    Ok(all()
        .into_iter()
        .filter(|workload| {
            names.is_empty()
                || names.iter().any(|name| match exact(name) {
                    true => workload.name == name,
                    false => stands_for(name, workload),
                })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(names: &[&str]) -> Vec<&'static str> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        named(&names).expect("known names").iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn names_select_exactly_or_by_prefix() {
        assert_eq!(names_of(&["cycle-1"]), ["cycle-1"]);
        assert_eq!(names_of(&["cycle"]), ["cycle-1", "cycle-10", "cycle-100"]);
        assert_eq!(names_of(&["xadd-pipelined"]), ["xadd-pipelined-1", "xadd-pipelined-4"]);
        assert_eq!(names_of(&[]).len(), all().len());
        assert!(named(&["cyc".to_owned()]).is_err());
    }
}
