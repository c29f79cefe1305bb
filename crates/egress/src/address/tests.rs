use proptest::prelude::*;

use super::*;

fn check(text: &str) -> Result<IpAddr, &'static str> {
    check_address(text.parse().unwrap(), &[])
}

#[test]
fn public_addresses_may_be_dialled() {
    let table = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "2001:200::1",
        "2003::1",
        "3ffe:ffff::1",
        "64:ff9b::808:808",
    ];
    for text in table {
        assert_eq!(check(text), Ok(text.parse().unwrap()), "{text}");
    }
    assert_eq!(check("::ffff:8.8.8.8"), Ok("8.8.8.8".parse().unwrap()));
}

#[test]
fn all_others_may_not() {
    let table = [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "shared by a carrier"),
        ("100.100.100.200", "shared by a carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("169.254.169.254", "link-local"),
        ("169.254.170.2", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "for documentation"),
        ("192.88.99.1", "a 6to4 relay"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "for benchmarks"),
        ("198.19.255.255", "for benchmarks"),
        ("198.51.100.1", "for documentation"),
        ("203.0.113.1", "for documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("168.63.129.16", "a cloud's metadata"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "IPv4 in an outdated form"),
        ("::8.8.8.8", "IPv4 in an outdated form"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:a00:1", "private"),
        ("::ffff:0:8.8.8.8", "IPv4 in a translated form"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b:1::808:808", "a local translation of IPv4"),
        ("100::1", "discarded"),
        ("2001::1", "a Teredo tunnel"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a Teredo tunnel"),
        ("2001:2::1", "for benchmarks"),
        ("2001:10::1", "reserved"),
        ("2001:20::1", "reserved"),
        ("2001:db8::1", "for documentation"),
        ("2002:7f00:1::1", "a 6to4 tunnel"),
        ("2002:808:808::1", "a 6to4 tunnel"),
        ("3fff::1", "for documentation"),
        ("4000::1", "reserved"),
        ("5f00::1", "reserved"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
    ];
    for (text, wrong) in table {
        assert_eq!(check(text), Err(wrong), "{text}");
    }
}

#[test]
fn a_range_of_the_settings_is_allowed_also_inside_another_form() {
    let ranges = ["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let check = |text: &str| check_address(text.parse().unwrap(), &ranges);
    for fine in [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
        "fd12::1",
    ] {
        assert!(check(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "10.2.0.1",
        "::ffff:10.2.0.1",
        "64:ff9b::10.2.0.1",
        "::10.1.2.3",
        "fc00::1",
    ] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_that_are_no_plain_addresses_are_odd() {
    let odd = [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "0177.0.0.1",
        "127.0.0.01",
        "00.0.0.0",
        "256.0.0.1",
        "1.2.3.4.5",
        "0",
        "0X7F.1",
        "127.1.",
        "999999999999",
    ];
    for host in odd {
        assert!(is_odd_address(host), "{host}");
    }
    let plain = [
        "127.0.0.1",
        "8.8.8.8",
        "8.8.8.8.",
        "example.com",
        "1password.com",
        "x1",
        "3.example",
        "0x.example",
        "::1",
        "localhost",
    ];
    for host in plain {
        assert!(!is_odd_address(host), "{host}");
    }
}

/// An independent word for "not public", by the standard library and plain prefixes.
fn is_plainly_internal(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
}

fn internal() -> impl Strategy<Value = Ipv4Addr> {
    let bases = [
        (0x0a00_0000_u32, 8),
        (0x7f00_0000, 8),
        (0xa9fe_0000, 16),
        (0xac10_0000, 12),
        (0xc0a8_0000, 16),
        (0x6440_0000, 10),
        (0xc612_0000, 15),
        (0xe000_0000, 4),
        (0xf000_0000, 4),
        (0, 8),
        (0xc000_0200, 24),
        (0xc633_6400, 24),
        (0xcb00_7100, 24),
    ];
    (0..bases.len(), any::<u32>()).prop_map(move |(at, host)| {
        let (base, len) = bases[at];
        Ipv4Addr::from_bits(base | (host & (u32::MAX >> len)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_internal_passes_in_any_embedding(inside in internal(), noise in any::<u64>()) {
        prop_assert!(is_plainly_internal(inside));
        let bits = u128::from(inside.to_bits());
        let noise = u128::from(noise);
        let embeddings: [u128; 9] = [
            bits,                                              // compatible
            0xffff_0000_0000 | bits,                           // mapped
            0xffff_0000_0000_0000 | bits,                      // translated
            (0x64_ff9b << 96) | bits,                          // NAT64
            (0x64_ff9b_0001 << 80) | bits,                     // NAT64, local use
            (0x64_ff9b_0001 << 80) | (noise << 16),            // NAT64, local use, other lengths
            (0x2002 << 112) | (bits << 80) | noise,            // 6to4
            (0x2001 << 112) | (bits << 64) | noise,            // Teredo, its server
            (0x2001 << 112) | (noise << 32) | (!bits & 0xffff_ffff), // Teredo, its client
        ];
        prop_assert!(check_address(inside.into(), &[]).is_err());
        for embedded in embeddings {
            let address = Ipv6Addr::from_bits(embedded);
            prop_assert!(check_address(address.into(), &[]).is_err(), "{address}");
        }
    }

    #[test]
    fn what_passes_is_plainly_public(v4 in any::<u32>(), v6 in any::<u128>()) {
        let v4 = Ipv4Addr::from_bits(v4);
        if check_address(v4.into(), &[]).is_ok() {
            prop_assert!(!is_plainly_internal(v4));
        }
        let v6 = Ipv6Addr::from_bits(v6);
        if check_address(v6.into(), &[]).is_ok() {
            prop_assert_eq!(v6.segments()[0] >> 13, 1);
        }
    }
}
