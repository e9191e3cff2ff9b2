//! Listeners: their certificates, their addresses, and the files that their connections need.

use super::around::Around;
use super::report::Report;
use crate::cli::privileges;
use crate::config::model::{Listener, ListenerTls, Policy};
use crate::gateway::{ServerTls, bind};
use jiff::Timestamp;
use nix::unistd::User;
use std::fs;
use std::io::ErrorKind;

/// Certificates that do not load keep the gateway from starting: errors.
pub(super) fn certificates(report: &mut Report, policy: &Policy) {
    report.section("certificates");
    for listener in &policy.listeners {
        let (ListenerTls::Starttls(files) | ListenerTls::Implicit(files)) = &listener.tls else {
            report.note(format!("listener \"{}\": `tls` is off, clients send mail in clear", listener.name));
            continue;
        };
        let name = &listener.name;
        match ServerTls::load(&files.certificate, &files.key) {
            Err(error) => report.error(format!("listener \"{name}\": {error}")),
            Ok(tls) => match tls.warning(Timestamp::now()) {
                Some(warning) => report.warning(format!("listener \"{name}\": {warning}")),
                None => report.ok(format!("listener \"{name}\": {}", files.certificate.display())),
            },
        }
    }
}

/// What a reload reads again, by then as the user that the gateway has become.
pub(super) fn readable(report: &mut Report, policy: &Policy, user: &User) {
    let mut files = vec![policy.rules_dir.join("gateway.toml")];
    for listener in &policy.listeners {
        if let ListenerTls::Starttls(pair) | ListenerTls::Implicit(pair) = &listener.tls {
            files.extend([pair.certificate.clone(), pair.key.clone()]);
        }
    }
    files.extend(policy.downstreams.iter().filter_map(|d| d.ca.clone()));
    files.sort();
    files.dedup();
    for file in files {
        // One that is missing was told before.
        if let Err(error) = fs::File::open(&file)
            && error.kind() == ErrorKind::PermissionDenied
        {
            report.warning(format!(
                "{}: user \"{}\" cannot read it ({error}); the start can, a reload could not: give that user or its group the right to read",
                file.display(),
                user.name
            ));
        }
    }
}

/// Whether each address can be bound, or is our own already.
pub(super) fn addresses(report: &mut Report, policy: &Policy, around: &Around) {
    report.section("listeners");
    for listener in &policy.listeners {
        address(report, listener, around);
    }
}

fn address(report: &mut Report, listener: &Listener, around: &Around) {
    let Listener { name, address, .. } = listener;
    // Bound and given back at once: a client that comes in this moment tries again.
    match bind(listener).map(drop) {
        Ok(()) => report.ok(format!("\"{name}\": {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let ours = around.listens_on().any(|held| held == *address);
            match around.pid() {
                Some(pid) if ours => report.ok(format!("\"{name}\": {address} is held by our own process {pid}")),
                Some(pid) if around.listens_on().next().is_none() => report.note(format!(
                    "\"{name}\": {address} is in use, most likely by process {pid}, which holds the state directory"
                )),
                _ => report.warning(format!("{error} (a socket unit of systemd that holds it for us is right)")),
            }
        }
        Err(error) => report.warning(error.to_string()),
    }
}

/// The limit of open files, what `max_connections` needs, and whose limit that is.
pub(in crate::cli) fn open_files_limit(policy: &Policy, around: &Around) -> (u64, u64, &'static str) {
    let needed = privileges::open_files_needed(policy.max_connections);
    let running = around.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    match running.as_deref().and_then(soft_limit) {
        Some(limit) => (limit, needed, "of the running gateway"),
        None => (privileges::raise_open_files(policy.max_connections), needed, "as started here"),
    }
}

/// The limit of open files against `max_connections`.
pub(super) fn open_files(report: &mut Report, policy: &Policy, around: &Around) {
    let (limit, needed, whose) = open_files_limit(policy, around);
    if limit >= needed {
        report.ok(format!(
            "limit of open files {whose}: {limit}, max_connections = {} needs {needed}",
            policy.max_connections
        ));
    } else {
        report.warning(format!(
            "limit of open files {whose}: {limit}, but max_connections = {} needs {needed}; raise it (LimitNOFILE= of the systemd unit, ulimit -n), or lower max_connections",
            policy.max_connections
        ));
    }
}

/// `Max open files            1024                 524288               files`.
fn soft_limit(limits: &str) -> Option<u64> {
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = row.split_ascii_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_of_limits_is_read() {
        let row = "Limit  Soft Limit Hard Limit Units\nMax open files            1024    524288   files\n";
        assert_eq!(soft_limit(row), Some(1024));
        assert_eq!(soft_limit("Max open files unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(soft_limit("Max cpu time 1 1 seconds"), None);
    }
}
