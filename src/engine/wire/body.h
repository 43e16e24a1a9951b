// Pieces of an OpenAI-shaped request body that every adapter writes alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/request.h"
#include "host/json_writer.h"

namespace millrace::engine::wire {

/// A 400 with type "invalid_request_error".
EngineError refusal(std::string_view code, std::string_view param, std::string message);

/// The refusal of a parameter that the engine cannot honour.
EngineError unsupported(std::string_view param, std::string_view why);

/// The text parts of a message, joined without a separator; images are left out.
std::string text_of(const Message& message);

bool has_image(const Request& request);

/// OpenAI's word for a role ("developer" as "system" where `developer_is_system`).
std::string_view role_name(Message::Role role, bool developer_is_system);

/// What OpenAI's API calls the schema of a tool: "tools[0].function.parameters".
std::string tool_schema_name(std::size_t index);

enum class Stops { kWrite, kLeaveOut };

/// max_tokens, temperature, top_p, penalties, seed as they are, stop, n (if above 1). Not logit_bias, logprobs, nor
/// what is no OpenAI parameter.
void write_common_sampling(host::JsonWriter& body, const Sampling& sampling, Stops stops = Stops::kWrite);

/// "prompt" of the older dialect, or whatever `key` names it: a text, or a list of several.
void write_prompts(host::JsonWriter& body, std::string_view key, const std::vector<std::string>& prompts);

/// "messages" in OpenAI's shape, with tool calls, images and names.
void write_messages(host::JsonWriter& body, const std::vector<Message>& messages, bool developer_is_system);

/// "tools"; every schema must have passed check_schemas or be empty.
void write_tools(host::JsonWriter& body, const std::vector<Tool>& tools);

/// "response_format" unless it is plain text; the schema must have passed check_schemas.
void write_format(host::JsonWriter& body, const ResponseFormat& format);

/// Refuses a schema of the tools or the response format that is not one JSON object, which is what may be copied into a body.
std::expected<void, EngineError> check_schemas(const Request& request);

}  // namespace millrace::engine::wire
