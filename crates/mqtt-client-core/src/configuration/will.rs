//! `[will]`: what the broker publishes when this client is gone without having said goodbye.

use serde::Deserialize;

use super::values::{binary, optional, qos, text, topic};
use crate::codec::WillProperties;
use crate::{InvalidOptions, OptionsBuilder};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Will {
    topic: String,
    #[serde(alias = "message")]
    payload: String,
    qos: i64,
    retain: bool,
    delay: Option<i64>,
    expiry: Option<i64>,
    content_type: Option<String>,
    is_text: Option<bool>,
    response_topic: Option<String>,
    correlation_data: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl Will {
    /// An empty topic means that there is none.
    pub(super) fn apply(&self, options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        let qos = qos("will.qos", self.qos)?;
        let properties = self.properties()?;
        if self.topic.is_empty() {
            return Ok(options);
        }
        let options = options.will(&self.topic, self.payload.as_bytes(), qos, self.retain);
        Ok(if properties.is_empty() { options } else { options.will_properties(properties) })
    }

    fn properties(&self) -> Result<WillProperties, InvalidOptions> {
        let mut properties = WillProperties::default();
        if let Some(delay) = optional("will.delay", self.delay, 0, u32::MAX.into())? {
            properties.set_will_delay_interval(delay);
        }
        if let Some(expiry) = optional("will.expiry", self.expiry, 0, u32::MAX.into())? {
            properties.set_message_expiry_interval(expiry);
        }
        if let Some(content_type) = &self.content_type {
            properties.set_content_type(&text("will.content_type", content_type)?);
        }
        if let Some(is_text) = self.is_text {
            properties.set_payload_format_indicator(is_text);
        }
        if let Some(response_topic) = &self.response_topic {
            properties.set_response_topic(&topic("will.response_topic", response_topic)?);
        }
        if let Some(data) = &self.correlation_data {
            properties.set_correlation_data(&binary("will.correlation_data", data)?);
        }
        for (name, value) in &self.user_properties {
            let key = "will.user_properties";
            properties.add_user_property(&text(key, name)?, &text(key, value)?);
        }
        Ok(properties)
    }
}
