//! The W3C WebDriver protocol, as much of it as a declared plan needs: a session, an address, elements, a picture.

use super::left;
use crate::error::excerpt;
use crate::http::{Ask, join};
use crate::{ConnectorError, Http};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The name under which an element's id stands, by the specification.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Bytes of an answer: a picture of a large screen in base64.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How often a page is looked at while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Time in which a browser that is told to end does so.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A browser, open until this is dropped.
pub(super) struct Session {
    http: Http,
    /// The session's own address.
    url: Url,
    timeout: Duration,
    until: Instant,
}

impl Drop for Session {
    fn drop(&mut self) {
        let (http, url) = (self.http.clone(), self.url.clone());
        // Also where the call was given up: a browser that is left open keeps its login.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let ask = Ask { method: Method::DELETE, ..Ask::get(&url, END_TIMEOUT) };
                if let Err(error) = http.ask(ask).await {
                    tracing::warn!(%error, "a browser could not be closed");
                }
            });
        }
    }
}

impl Session {
    /// Opens a browser of its own: no profile, no cookies of before.
    pub async fn open(
        http: &Http,
        driver: &Url,
        arguments: &[String],
        timeout: Duration,
        until: Instant,
    ) -> Result<Self, ConnectorError> {
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
        } } });
        let (url, within) = (join(driver, &["session"]), left(until, timeout));
        let answer = ask(http, Method::POST, &url, Some(&capabilities), within).await?;
        let id = answer["sessionId"].as_str().ok_or_else(|| odd("it opened no session"))?;
        Ok(Self { http: http.clone(), url: join(driver, &["session", id]), timeout, until })
    }

    async fn call(&self, method: Method, end: &[&str], body: Option<Value>) -> Result<Value, ConnectorError> {
        let within = left(self.until, self.timeout);
        ask(&self.http, method, &join(&self.url, end), body.as_ref(), within).await
    }

    pub async fn go(&self, url: &Url) -> Result<(), ConnectorError> {
        self.call(Method::POST, &["url"], Some(json!({ "url": url.as_str() }))).await.map(|_| ())
    }

    /// Where the browser is now.
    pub async fn place(&self) -> Result<Url, ConnectorError> {
        let answer = self.call(Method::GET, &["url"], None).await?;
        Url::parse(answer.as_str().unwrap_or_default()).map_err(|_| odd("it does not say where it is"))
    }

    async fn find(&self, selector: &str) -> Result<Option<String>, ConnectorError> {
        let body = json!({ "using": "css selector", "value": selector });
        // Several would leave open which one is meant; none is an empty list and no error.
        let found = self.call(Method::POST, &["elements"], Some(body)).await?;
        match found.as_array().map(Vec::as_slice) {
            Some([one]) => Ok(one[ELEMENT].as_str().map(str::to_owned)),
            Some([]) => Ok(None),
            _ => Err(odd(&format!("{selector} fits more than one element"))),
        }
    }

    /// The element, once it is there.
    async fn element(&self, selector: &str) -> Result<String, ConnectorError> {
        let give_up = Instant::now() + left(self.until, self.timeout);
        loop {
            if let Some(element) = self.find(selector).await? {
                return Ok(element);
            }
            if Instant::now() >= give_up {
                return Err(odd(&format!("there is no {selector}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub async fn press(&self, selector: &str) -> Result<(), ConnectorError> {
        let element = self.element(selector).await?;
        self.call(Method::POST, &["element", &element, "click"], Some(json!({}))).await.map(|_| ())
    }

    pub async fn fill(&self, selector: &str, text: &str) -> Result<(), ConnectorError> {
        let element = self.element(selector).await?;
        self.call(Method::POST, &["element", &element, "clear"], Some(json!({}))).await?;
        let body = json!({ "text": text });
        self.call(Method::POST, &["element", &element, "value"], Some(body)).await.map(|_| ())
    }

    /// What an element says.
    pub async fn text(&self, selector: &str) -> Result<String, ConnectorError> {
        let element = self.element(selector).await?;
        let text = self.call(Method::GET, &["element", &element, "text"], None).await?;
        Ok(text.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Waits until an element says something.
    pub async fn expect(&self, selector: &str, part: &str) -> Result<(), ConnectorError> {
        let give_up = Instant::now() + left(self.until, self.timeout);
        loop {
            // A page that is just being replaced has lost the element that was found on it.
            let says = self.text(selector).await;
            if says.as_ref().is_ok_and(|text| text.contains(part)) {
                return Ok(());
            }
            if Instant::now() >= give_up {
                let says = says
                    .map_or_else(|error| error.to_string(), |text| format!("it says \"{}\"", excerpt(&text)));
                return Err(odd(&format!("{selector} does not say \"{part}\": {says}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What is on the screen, as PNG.
    pub async fn picture(&self) -> Result<Vec<u8>, ConnectorError> {
        let answer = self.call(Method::GET, &["screenshot"], None).await?;
        STANDARD.decode(answer.as_str().unwrap_or_default()).map_err(|_| odd("its picture cannot be read"))
    }
}

fn odd(reason: &str) -> ConnectorError {
    ConnectorError::Decode { source_name: "the browser".to_owned(), reason: reason.to_owned() }
}

async fn ask(
    http: &Http,
    method: Method,
    url: &Url,
    body: Option<&Value>,
    within: Duration,
) -> Result<Value, ConnectorError> {
    let ask = Ask {
        method,
        json: body,
        bytes_max: ANSWER_BYTES_MAX,
        shown: Some("the browser's driver".to_owned()),
        ..Ask::get(url, within)
    };
    let answer = http.ask(ask).await?;
    let mut told: Value = answer.json("the browser's driver")?;
    let told = told["value"].take();
    if answer.status == 200 {
        return Ok(told);
    }
    let (what, says) =
        (told["error"].as_str().unwrap_or("an error"), told["message"].as_str().unwrap_or_default());
    let first = says.lines().next().unwrap_or_default();
    Err(odd(&format!("{what}: {}", excerpt(first))))
}
