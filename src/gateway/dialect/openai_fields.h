// Readers of values that several OpenAI dialects share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/dialect/parameter.h"

namespace millrace::gateway::dialect {

inline constexpr std::int64_t kMaxTokensLimit = 1 << 30;  // far above any context; keeps sums small
inline constexpr std::size_t kMaxModelLength = 256;
inline constexpr std::size_t kMaxTools = 128;
inline constexpr std::string_view kEfforts = "none|minimal|low|medium|high";
inline constexpr std::string_view kEffortsBeyond = "xhigh|max";

// Ready-made Apply functions, named by what they set.
Status set_model(const json::value& value, const Path& at, ParsedRequest& to);
Status set_stream(const json::value& value, const Path& at, ParsedRequest& to);
Status set_stream_options(const json::value& value, const Path& at, ParsedRequest& to);
Status set_max_tokens(const json::value& value, const Path& at, ParsedRequest& to);
Status set_temperature(const json::value& value, const Path& at, ParsedRequest& to);
Status set_top_p(const json::value& value, const Path& at, ParsedRequest& to);
Status set_min_p(const json::value& value, const Path& at, ParsedRequest& to);
Status set_top_k(const json::value& value, const Path& at, ParsedRequest& to);
Status set_presence_penalty(const json::value& value, const Path& at, ParsedRequest& to);
Status set_frequency_penalty(const json::value& value, const Path& at, ParsedRequest& to);
Status set_repeat_penalty(const json::value& value, const Path& at, ParsedRequest& to);
Status set_seed(const json::value& value, const Path& at, ParsedRequest& to);
Status set_choices(const json::value& value, const Path& at, ParsedRequest& to);
Status set_stop(const json::value& value, const Path& at, ParsedRequest& to);
Status set_logit_bias(const json::value& value, const Path& at, ParsedRequest& to);
/// Refuses `true`: nothing is stored here.
Status refuse_store(const json::value& value, const Path& at, ParsedRequest& to);
/// At most 16 pairs of strings.
Status check_metadata(const json::value& value, const Path& at, ParsedRequest& to);

/// A function's name, description, parameters and strict; `object` is the one that holds them. The caller ends with done().
Expected<engine::Tool> read_function(Members& object);
/// Adds a tool; refuses a second one of the same name.
Status add_tool(engine::Tool tool, const Path& at, ParsedRequest& to);
/// `name` of a named tool choice; refuses one that is not among the tools.
Status set_named_tool(std::string_view name, const Path& at, ParsedRequest& to);
/// auto, none, required (or any, as mistral names it).
Status set_tool_mode(std::string_view mode, const Path& at, ParsedRequest& to);
/// name, schema, strict and description of a json_schema format; `object` is the one that holds them.
Status set_json_schema(Members& object, ParsedRequest& to);
/// An array of at least one text, none empty. Token ids are refused: they are of some tokenizer, hardly ever the model's.
Status read_texts(const json::value& value, const Path& at, std::size_t most, std::vector<std::string>& to);
/// The url of an image part: data: or https:.
Expected<std::string> read_image_url(const json::value& value, const Path& at);

// Rows that are the same wherever they appear.
inline constexpr Parameter kModelRow = required(string("model", kMaxModelLength, set_model));
inline constexpr Parameter kStreamRow = boolean("stream", set_stream);
inline constexpr Parameter kStreamOptionsRow = other(
    "stream_options",
    R"({"type":"object","additionalProperties":{"type":"null"},"properties":{"include_usage":{"type":["boolean","null"]}}})",
    set_stream_options);
inline constexpr Parameter kTemperatureRow = number("temperature", 0, 2, set_temperature);
inline constexpr Parameter kTopPRow = number("top_p", 0, 1, set_top_p);
inline constexpr Parameter kMinPRow = number("min_p", 0, 1, set_min_p);
inline constexpr Parameter kTopKRow = integer("top_k", 0, 1'000'000, set_top_k);
inline constexpr Parameter kPresenceRow = number("presence_penalty", -2, 2, set_presence_penalty);
inline constexpr Parameter kFrequencyRow = number("frequency_penalty", -2, 2, set_frequency_penalty);
inline constexpr Parameter kRepeatRow = number("repeat_penalty", 0.01, 2, set_repeat_penalty);
inline constexpr Parameter kRepetitionRow =
    number("repetition_penalty", 0.01, 2, set_repeat_penalty);  // vLLM, mistral
inline constexpr Parameter kSeedRow = integer("seed", std::numeric_limits<std::int64_t>::min(),
                                              std::numeric_limits<std::int64_t>::max(), set_seed);
inline constexpr Parameter kChoicesRow = beyond(integer("n", 1, 8, set_choices), 128);
inline constexpr Parameter kStopRow = other(
    "stop",
    R"({"anyOf":[{"type":"string","minLength":1},{"type":"array","maxItems":4,"items":{"type":"string","minLength":1}}]})",
    set_stop);
inline constexpr Parameter kLogitBiasRow =
    other("logit_bias",
          R"({"type":"object","maxProperties":1024,"propertyNames":{"pattern":"^[0-9]{1,9}$"},)"
          R"("additionalProperties":{"type":"number","minimum":-100,"maximum":100}})",
          set_logit_bias);
inline constexpr Parameter kUserRow = accepted(string("user", 1024, nullptr));
inline constexpr Parameter kStoreRow =
    accepted(other("store", R"({"type":"boolean","enum":[false]})", refuse_store));
inline constexpr Parameter kMetadataRow = accepted(
    other("metadata",
          R"({"type":"object","maxProperties":16,"additionalProperties":{"type":"string","maxLength":512}})",
          check_metadata));
inline constexpr Parameter kServiceTierRow =
    accepted(choice("service_tier", "auto|default|flex|scale|priority|fast", nullptr));
inline constexpr Parameter kPromptCacheKeyRow = accepted(string("prompt_cache_key", 1024, nullptr));
inline constexpr Parameter kSafetyIdentifierRow = accepted(string("safety_identifier", 1024, nullptr));
inline constexpr Parameter kParallelToolCallsRow = accepted(boolean("parallel_tool_calls", nullptr));

}  // namespace millrace::gateway::dialect
