//! [`Credentials`]: user name and password as CONNECT holds them.

use crate::InvalidOptions;
use crate::codec::{Binary, Text};

/// Who the client says it is. `Debug` tells the password's length only.
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
            .map(|password| Binary::try_from(password.to_vec()))
            .transpose()
            .map_err(|error| fault(format!("password: {error}")))?;
        Ok(Credentials { username: Some(username), password })
    }
}
