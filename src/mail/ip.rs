//! How an address is written: as `Display` does, without its formatter, for every message has a few of them.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Appends an address.
pub fn push_ip(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push('.');
                }
                push_number(out, octet.into());
            }
        }
        // Writing to a String cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Appends an address with its port.
pub fn push_socket(out: &mut String, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            push_ip(out, (*v4.ip()).into());
            out.push(':');
            push_number(out, v4.port());
        }
        // Writing to a String cannot fail.
        SocketAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

fn push_number(out: &mut String, number: u16) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_display_says(ip in any::<IpAddr>(), port in any::<u16>()) {
            let (mut one, mut two) = (String::new(), String::new());
            push_ip(&mut one, ip);
            push_socket(&mut two, SocketAddr::new(ip, port));
            prop_assert_eq!(one, ip.to_string());
            prop_assert_eq!(two, SocketAddr::new(ip, port).to_string());
        }
    }
}
