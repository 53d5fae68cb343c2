//! A question as a vendor's request, and the answer as ours.

use crate::retry_after;
use futures::StreamExt as _;
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, MessageContent, StopReason, Tool, ToolCall,
    ToolResponse, Usage,
};
use genai::{Client, ServiceTarget};
use midwatch_model::llm::{self, Ask, Reply, Stop, Turn};
use std::time::{Duration, SystemTime};

/// Pieces and bytes of an answer at most: 4,096 tokens are a tenth of that.
const PIECES_MAX: usize = 100_000;
const BYTES_MAX: usize = 1 << 20;

/// Why there is no answer, without a word of what the server said.
#[derive(Debug)]
pub enum Failure {
    Status { status: u16, retry_after: Option<Duration> },
    Timeout,
    Unreachable,
    Garbled(&'static str),
}

pub const TOO_LONG: Failure = Failure::Garbled("the answer is too long");

/// Asks once.
pub async fn call(client: &Client, target: ServiceTarget, ask: &Ask, stream: bool) -> Result<Reply, Failure> {
    let (request, options) = (request(ask), options(ask));
    if stream {
        return streamed(client, target, request, &options).await;
    }
    let response =
        client.exec_chat(target, request, Some(&options)).await.map_err(|error| failure(&error))?;
    let (stop, usage) = (response.stop_reason.clone(), response.usage.clone());
    bounded(reply(response.content, stop, Some(usage)))
}

/// Reads an answer piece by piece, so that an endless one is left.
async fn streamed(
    client: &Client,
    target: ServiceTarget,
    request: ChatRequest,
    options: &ChatOptions,
) -> Result<Reply, Failure> {
    let answer = client.exec_chat_stream(target, request, Some(options)).await.map_err(|e| failure(&e))?;
    let mut stream = answer.stream;
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(event) = stream.next().await {
        pieces += 1;
        match event.map_err(|error| failure(&error))? {
            ChatStreamEvent::Chunk(chunk) | ChatStreamEvent::ReasoningChunk(chunk) => {
                bytes += chunk.content.len()
            }
            ChatStreamEvent::ToolCallChunk(chunk) => bytes = bytes.max(chunk.tool_call.size()),
            ChatStreamEvent::End(end) => {
                let content = end.captured_content.unwrap_or_default();
                return bounded(reply(content, end.captured_stop_reason, end.captured_usage));
            }
            ChatStreamEvent::Start
            | ChatStreamEvent::ThoughtSignatureChunk(_)
            | ChatStreamEvent::Heartbeat => {}
        }
        if pieces > PIECES_MAX || bytes > BYTES_MAX {
            return Err(Failure::Garbled("the answer has no end"));
        }
    }
    Err(Failure::Garbled("the answer breaks off"))
}

fn bounded(reply: Reply) -> Result<Reply, Failure> {
    let of_calls: usize = reply.calls.iter().map(|call| call.arguments.to_string().len()).sum();
    if reply.text.len() + of_calls > BYTES_MAX {
        return Err(TOO_LONG);
    }
    Ok(reply)
}

fn options(ask: &Ask) -> ChatOptions {
    ChatOptions::default()
        .with_temperature(ask.tier().temperature())
        .with_max_tokens(ask.tokens_max())
        .with_capture_usage(true)
        .with_capture_content(true)
        .with_capture_tool_calls(true)
}

fn request(ask: &Ask) -> ChatRequest {
    let tools = ask
        .tools()
        .iter()
        .map(|tool| Tool::new(tool.name).with_description(tool.description).with_schema(tool.schema.clone()));
    let mut request = ChatRequest::default().with_system(ask.system());
    for turn in ask.turns() {
        request = request.append_message(message(turn));
    }
    if ask.tools().is_empty() { request } else { request.with_tools(tools.collect::<Vec<_>>()) }
}

fn message(turn: &Turn) -> ChatMessage {
    match turn {
        Turn::User { text } => ChatMessage::user(text.as_str()),
        Turn::Assistant { text, calls } => {
            let mut content = MessageContent::default();
            // An empty text beside calls is refused by some; without calls, an empty turn is by all.
            if !text.is_empty() || calls.is_empty() {
                content.push(if text.is_empty() { "(nothing)".to_owned() } else { text.clone() });
            }
            calls.iter().for_each(|call| content.push(sent(call)));
            ChatMessage::assistant(content)
        }
        Turn::Tools { answers } => {
            let mut content = MessageContent::default();
            for (id, name, text) in answers {
                content.push(ToolResponse::new(id.as_str(), text.as_str()).with_fn_name(name.as_str()));
            }
            ChatMessage::tool(content)
        }
    }
}

fn sent(call: &llm::ToolCall) -> ToolCall {
    ToolCall {
        call_id: call.id.clone(),
        fn_name: call.name.clone(),
        fn_arguments: call.arguments.clone(),
        thought_signatures: None,
    }
}

fn reply(content: MessageContent, stop: Option<StopReason>, usage: Option<Usage>) -> Reply {
    let text = content.joined_texts().unwrap_or_default();
    let calls: Vec<llm::ToolCall> = content.into_tool_calls().into_iter().map(received).collect();
    let stop = match stop {
        Some(StopReason::MaxTokens(_)) => Stop::Cut,
        Some(StopReason::ContentFilter(_)) => Stop::Withheld,
        _ if !calls.is_empty() => Stop::Tools,
        _ => Stop::Done,
    };
    Reply { text, calls, stop, usage: usage.map_or_else(llm::Usage::default, counted) }
}

/// Arguments that came as text are JSON in it, or nothing.
fn received(call: ToolCall) -> llm::ToolCall {
    let arguments = match call.fn_arguments {
        serde_json::Value::String(text) => serde_json::from_str(&text).unwrap_or(serde_json::Value::Null),
        other => other,
    };
    llm::ToolCall { id: call.call_id, name: call.fn_name, arguments }
}

fn counted(usage: Usage) -> llm::Usage {
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
    llm::Usage {
        prompt_tokens: count(usage.prompt_tokens),
        answer_tokens: count(usage.completion_tokens),
        cost: 0.0,
    }
}

/// What kind of failure it is. Its words stay here: they may hold the request.
fn failure(error: &genai::Error) -> Failure {
    let inner = |error: &genai::Error| match error {
        genai::Error::WebStream { error, .. } => error.downcast_ref::<genai::Error>().map(status_of),
        _ => None,
    };
    if let Some(known) = status_of(error).or_else(|| inner(error).flatten()) {
        return known;
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = match error {
        genai::Error::WebStream { error, .. } => Some(error.as_ref()),
        genai::Error::WebModelCall { webc_error, .. } | genai::Error::WebAdapterCall { webc_error, .. } => {
            match webc_error {
                genai::webc::Error::Reqwest(error) => Some(error),
                _ => None,
            }
        }
        _ => None,
    };
    while let Some(cause) = source {
        if let Some(web) = cause.downcast_ref::<reqwest_llm::Error>() {
            return of_web(web);
        }
        source = cause.source();
    }
    Failure::Garbled("it is not what the provider's API says")
}

fn status_of(error: &genai::Error) -> Option<Failure> {
    let status = error.status()?.as_u16();
    let header = error.headers().and_then(|headers| headers.get("retry-after"));
    let retry_after = header.and_then(|value| retry_after::parse(value.to_str().ok()?, SystemTime::now()));
    Some(Failure::Status { status, retry_after })
}

fn of_web(error: &reqwest_llm::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_decode() {
        Failure::Garbled("it is no JSON")
    } else {
        Failure::Unreachable
    }
}
