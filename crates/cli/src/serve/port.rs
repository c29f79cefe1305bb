//! Who has a port, as far as the system tells.

use std::{fs, net::SocketAddr};

const LISTENING: &str = "0A";

/// Returns the process that listens on the port, for instance `nginx (process 7)`.
pub(super) fn holder(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.iter().filter_map(|it| fs::read_to_string(it).ok());
    let inode = texts
        .into_iter()
        .find_map(|it| inode_of(&it, address.port()).map(str::to_owned))?;
    let wanted = format!("socket:[{inode}]");
    let pid = fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let fds = fs::read_dir(entry.path().join("fd")).ok()?;
        let has = fds
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|it| it.as_os_str() == wanted.as_str()));
        has.then_some(pid)
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("`{}` (process {pid})", name.trim()))
}

/// Finds the socket that listens on a port in the text of `/proc/net/tcp`.
fn inode_of(table: &str, port: u16) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(hex, 16).ok()? == port && fields.get(3) == Some(&LISTENING);
        is_it.then(|| fields.get(9).copied()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder(listener.local_addr().unwrap()).unwrap();
        assert!(
            holder.ends_with(&format!("(process {})", std::process::id())),
            "{holder}"
        );
    }

    #[test]
    fn only_who_listens_has_the_port() {
        let table = "sl local rem st tx tr re uid to inode\n\
            0: 0100007F:0BB8 0100007F:1234 01 0:0 0:0 0 0 0 11 1\n\
            1: 0100007F:0BB8 00000000:0000 0A 0:0 0:0 0 0 0 22 1\n";
        assert_eq!(inode_of(table, 3000), Some("22"));
        assert_eq!(inode_of(table, 3001), None);
    }
}
