//! Refused by the compiler when `std` is linked, because `std` has a panic handler too.

#![no_std]

use mqtt_codec as _;
use mqtt_session as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
