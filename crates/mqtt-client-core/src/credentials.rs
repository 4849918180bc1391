//! [`Credentials`]: user name and password as CONNECT holds them.

use crate::InvalidOptions;
use crate::codec::{Binary, Text};
use crate::secret::Secret;

/// Who the client says it is. The password is wiped from memory with its last clone, CONNECT's included; `Debug` tells the password's length only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: Option<Text>,
    pub(crate) password: Option<Binary>,
}

impl Credentials {
    pub(crate) fn new(username: &str, password: Option<&[u8]>) -> Result<Self, InvalidOptions> {
        let fault = |problem| InvalidOptions::Option { option: "credentials", problem };
        let username = Text::try_from(username).map_err(|error| fault(format!("user name: {error}")))?;
        let password = password
            .map(|password| Binary::new(Secret::new(password.to_vec()).into_bytes()))
            .transpose()
            .map_err(|error| fault(format!("password: {error}")))?;
        Ok(Credentials { username: Some(username), password })
    }
}
