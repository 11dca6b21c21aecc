//! Processor, memory, disk and terminal.

use std::io::IsTerminal;
use std::path::Path;

use super::Finding;
use crate::domain::text::words;
use crate::tui;

/// Least free disk space; less cannot hold the checkpoints of a few runs.
const N_BYTES_FREE_MIN: u64 = 1 << 30;
/// The smallest terminal on which every screen fits.
const SIZE_MIN: (u16, u16) = (60, 16);

/// Everything about the machine.
pub fn findings(home: &Path) -> Vec<Finding> {
    let mut findings = vec![processor()];
    findings.extend(load(std::fs::read_to_string("/proc/loadavg").ok()));
    findings.extend(memory());
    findings.extend(disk(home));
    findings.push(terminal(tui::terminal_size().filter(|_| std::io::stdout().is_terminal())));
    findings
}

fn processor() -> Finding {
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let features = simd_features();
    let features =
        if features.is_empty() { "no SIMD found".to_owned() } else { features.join(", ") };
    Finding::fine("processor", format!("{n_cores} cores, {features}"))
}

/// What other programs leave of the processor, by the contents of `/proc/loadavg`; Linux only.
fn load(text: Option<String>) -> Option<Finding> {
    let load: f64 = text?.split_whitespace().next()?.parse().ok()?;
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let value = format!("{load:.1} programs at work in the last minute, {n_cores} cores");
    let is_busy = load > 1.25 * n_cores as f64;
    Some(if is_busy {
        Finding::notice("load", value, "the machine is busy, so runs take longer")
    } else {
        Finding::fine("load", value)
    })
}

#[cfg(target_arch = "x86_64")]
fn simd_features() -> Vec<&'static str> {
    let found = [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        ("AVX-512", std::is_x86_feature_detected!("avx512f")),
    ];
    found.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn simd_features() -> Vec<&'static str> {
    if cfg!(target_arch = "aarch64") { vec!["NEON"] } else { Vec::new() }
}

/// Memory of the machine, or of the container if that has less; Linux only.
fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let (total, available) = (kibibytes("MemTotal:")? << 10, kibibytes("MemAvailable:")? << 10);
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .filter(|limit| *limit < total);
    let mut value = format!("{}, {} available", words::bytes(total), words::bytes(available));
    if let Some(limit) = limit {
        value = format!("{value}, limited to {}", words::bytes(limit));
    }
    Some(Finding::fine("memory", value))
}

/// The disk of the home, or of the nearest folder above it that exists.
fn disk(home: &Path) -> Option<Finding> {
    let folder = home.ancestors().find(|folder| folder.exists())?;
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    let n_bytes_free = found.blocks_available() as u64 * found.fragment_size() as u64;
    let kind = file_system(folder).unwrap_or_else(|| "unknown file system".to_owned());
    let value = format!("{} free on {kind}", words::bytes(n_bytes_free));
    Some(if n_bytes_free < N_BYTES_FREE_MIN {
        Finding::notice("disk", value, "free some space: a checkpoint needs three times the model")
    } else {
        Finding::fine("disk", value)
    })
}

/// The type of the file system with the longest mount point above the folder; Linux only.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        // If two mounts share a mount point, the later one hides the earlier.
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

fn terminal(size: Option<(u16, u16)>) -> Finding {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut parts = vec![format!("TERM={}", variable("TERM").as_deref().unwrap_or("unset"))];
    parts.extend(variable("COLORTERM").map(|value| format!("COLORTERM={value}")));
    parts.extend(variable("TMUX").map(|_| "inside tmux".to_owned()));
    parts.extend(variable("STY").map(|_| "inside screen".to_owned()));
    parts.extend(variable("SSH_CONNECTION").map(|_| "over SSH".to_owned()));
    parts
        .push(size.map_or("no terminal".to_owned(), |(columns, rows)| format!("{columns}x{rows}")));
    let value = parts.join(", ");
    match size {
        Some((columns, rows)) if columns < SIZE_MIN.0 || rows < SIZE_MIN.1 => {
            let hint = format!("make the window at least {} x {}", SIZE_MIN.0, SIZE_MIN.1);
            Finding::notice("terminal", value, hint)
        }
        _ => Finding::fine("terminal", value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn a_terminal_is_told_by_its_size() {
        for (size, expected, verdict) in [
            (Some((80, 24)), "80x24", Verdict::Fine),
            (Some((50, 24)), "50x24", Verdict::Notice),
            (None, "no terminal", Verdict::Fine),
        ] {
            let found = terminal(size);
            assert!(found.value.ends_with(expected), "{}", found.value);
            assert_eq!(found.verdict, verdict, "{expected}");
        }
    }

    #[test]
    fn a_busy_machine_is_worth_a_notice() {
        let verdict = |text: &str| load(Some(text.to_owned())).map(|it| it.verdict);
        assert_eq!(verdict("0.10 0.20 0.30 1/200 4242\n"), Some(Verdict::Fine));
        assert_eq!(verdict("9999.00 11.00 9.00 9/200 4242\n"), Some(Verdict::Notice));
        assert_eq!((verdict("?"), load(None).map(|it| it.verdict)), (None, None));
    }
}
