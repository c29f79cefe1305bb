//! Which addresses may be dialled: those of the public Internet, and the ranges of the settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 that is not public (the IANA special-purpose registry), and what each is. The last is where
/// a cloud answers its machines, though it is not special by its number.
const DENIED_V4: [([u8; 4], u8, &str); 17] = [
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared by a carrier"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "for documentation"),
    ([192, 88, 99, 0], 24, "a 6to4 relay"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for documentation"),
    ([203, 0, 113, 0], 24, "for documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
    ([255, 255, 255, 255], 32, "broadcast"),
    ([168, 63, 129, 16], 32, "a cloud's metadata"),
];

/// IPv6 by the first that fits. What comes after them and is not in 2000::/3 is not public either.
const DENIED_V6: [([u16; 8], u8, &str); 16] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4 in an outdated form"),
    (
        [0, 0, 0, 0, 0xffff, 0, 0, 0],
        96,
        "IPv4 in a translated form",
    ),
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "a local translation of IPv4",
    ),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discarded"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "a Teredo tunnel"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "for benchmarks"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "for documentation"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "a 6to4 tunnel"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "for documentation"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// 64:ff9b::/96 (RFC 6052): where a network has no IPv4, all IPv4 is reached by these.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Returns the address to dial, or what is wrong with it.
///
/// An IPv4 address inside an IPv6 one is taken out and checked: one that is mapped becomes IPv4, one
/// that NAT64 translates stays as it is. Tunnels and outdated embeddings are refused whatever is in
/// them. `allow_ranges` are allowed in any case, by the address and by the one inside.
pub fn check_address(address: IpAddr, allow_ranges: &[IpNet]) -> Result<IpAddr, &'static str> {
    let address = address.to_canonical();
    let allowed = |address: IpAddr| allow_ranges.iter().any(|it| it.contains(&address));
    if allowed(address) {
        return Ok(address);
    }
    let wrong = match address {
        IpAddr::V4(address) => wrong_with_v4(address),
        IpAddr::V6(address) => match nat64(address) {
            Some(inside) if allowed(inside.into()) => None,
            Some(inside) => wrong_with_v4(inside),
            None => wrong_with_v6(address),
        },
    };
    wrong.map_or(Ok(address), Err)
}

/// Returns whether a host is a number in a form that some programs take for an IPv4 address and
/// others for a name: `127.1`, `0x7f000001`, `2130706433`, `0177.0.0.1`.
pub fn is_odd_address(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    let hex = last
        .get(..2)
        .is_some_and(|it| it.eq_ignore_ascii_case("0x"));
    let number = !last.is_empty() && last.bytes().all(|it| it.is_ascii_digit());
    (hex || number) && host.parse::<Ipv4Addr>().is_err()
}

fn wrong_with_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let mut ranges = DENIED_V4.iter();
    ranges
        .find(|(net, len, _)| (bits ^ u32::from_be_bytes(*net)) >> (32 - len) == 0)
        .map(|(_, _, what)| *what)
}

fn wrong_with_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within =
        |net: [u16; 8], len: u8| (bits ^ Ipv6Addr::from(net).to_bits()) >> (128 - len) == 0;
    let mut ranges = DENIED_V6.iter();
    let denied = ranges.find(|(net, len, _)| within(*net, *len));
    if let Some((_, _, what)) = denied {
        return Some(what);
    }
    (!within([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)).then_some("reserved")
}

fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let bits = (u32::from(high) << 16) | u32::from(low);
    ([a, b, c, d, e, f] == NAT64).then(|| Ipv4Addr::from_bits(bits))
}

#[cfg(test)]
mod tests;
