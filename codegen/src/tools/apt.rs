//! Debian's packages, where they may be installed: for root, or by `sudo` if it asks for no password.

use std::sync::OnceLock;

use crate::process::{Outcome, command, output, run};
use crate::tools::ahead;

/// Installs packages of Debian's, or of a system that has grown from it.
pub(crate) fn install(packages: &[&str]) -> Outcome<()> {
    ahead::wait();
    // Once is enough for as long as this program runs.
    static LISTS: OnceLock<Outcome<()>> = OnceLock::new();
    LISTS.get_or_init(|| apt_get(&["update", "-qq"])).clone()?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Outcome<()> {
    let missing = "this system has no apt-get that may be used";
    let root = output(command("id", &["-u"]), missing)? == "0";
    let prefix: &[&str] = if root { &[] } else { &["sudo", "-n"] };
    // It waits for another apt-get, as one may be running in a new machine's first minutes.
    let call = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
    let all = [prefix, &call, arguments].concat();
    run(command(all[0], &all[1..]), missing)
}
