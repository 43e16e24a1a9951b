#include "gateway/dialect/openai_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

namespace millrace::gateway::dialect {
namespace {

constexpr std::size_t kMaxStops = 4;
constexpr std::size_t kMaxStopLength = 1024;
constexpr std::size_t kMaxLogitBias = 1024;
constexpr std::size_t kMaxMetadata = 16;
constexpr std::size_t kMaxNameLength = 64;

std::string text_of(const json::value& value) { return std::string(std::string_view(value.get_string())); }

Status check_name(std::string_view name, const Path& at) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameLength && std::ranges::all_of(name, allowed)) return {};
  return std::unexpected(
      invalid(at, "invalid_value",
              fmt::format("Invalid '{}': expected 1 to {} of the characters a-z, A-Z, 0-9, '_' and '-'.",
                          at.text(), kMaxNameLength)));
}

}  // namespace

Status set_model(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.endpoint = text_of(value);
  return {};
}

Status set_stream(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.stream = value.get_bool();
  return {};
}

Status set_stream_options(const json::value& value, const Path& at, ParsedRequest& to) {
  Members options(*TRY(expect_object(value, at)), at);
  if (!to.request.stream) {
    return std::unexpected(invalid(
        at, "invalid_value", "The 'stream_options' parameter is only allowed when 'stream' is enabled."));
  }
  to.request.include_usage = TRY(options.flag("include_usage"));
  TRY(options.flag("include_obfuscation"));
  return options.done();
}

Status set_max_tokens(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.sampling.max_tokens = TRY(expect_integer(value, at, 1, kMaxTokensLimit));
  return {};
}

Status set_temperature(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.temperature = value.to_number<double>();
  return {};
}

Status set_top_p(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.top_p = value.to_number<double>();
  return {};
}

Status set_min_p(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.min_p = value.to_number<double>();
  return {};
}

Status set_top_k(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.sampling.top_k = TRY(expect_integer(value, at));
  return {};
}

Status set_presence_penalty(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.presence_penalty = value.to_number<double>();
  return {};
}

Status set_frequency_penalty(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.frequency_penalty = value.to_number<double>();
  return {};
}

Status set_repeat_penalty(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.sampling.repeat_penalty = value.to_number<double>();
  return {};
}

Status set_seed(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.sampling.seed = TRY(expect_integer(value, at));
  return {};
}

Status set_choices(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.sampling.choices = TRY(expect_integer(value, at));
  return {};
}

Status set_stop(const json::value& value, const Path& at, ParsedRequest& to) {
  auto& stop = to.request.sampling.stop;
  if (value.is_string()) {
    stop.emplace_back(TRY(expect_string(value, at, 1, kMaxStopLength)));
    return {};
  }
  if (!value.is_array()) return std::unexpected(invalid_type(at, "a string or an array of strings", value));
  const auto& items = *TRY(expect_array(value, at, 0, kMaxStops));
  for (std::size_t i = 0; i < items.size(); ++i) {
    stop.emplace_back(TRY(expect_string(items[i], Path(at, i), 1, kMaxStopLength)));
  }
  return {};
}

Status set_logit_bias(const json::value& value, const Path& at, ParsedRequest& to) {
  const auto& members = *TRY(expect_object(value, at));
  if (members.size() > kMaxLogitBias) {
    return std::unexpected(
        invalid(at, "invalid_value",
                fmt::format("Invalid 'logit_bias': expected at most {} tokens.", kMaxLogitBias)));
  }
  for (const auto& member : members) {
    const std::string_view key = member.key();
    const Path here(at, key);
    std::int64_t token = 0;
    const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (fault != std::errc() || end != key.data() + key.size() || token < 0 || token > kMaxTokensLimit) {
      return std::unexpected(
          invalid(here, "invalid_value",
                  fmt::format("Invalid key in 'logit_bias': '{}'. Expected a token id.", here.text())));
    }
    to.request.sampling.logit_bias.emplace_back(token, TRY(expect_number(member.value(), here, -100, 100)));
  }
  return {};
}

Status refuse_store(const json::value& value, const Path& at, ParsedRequest&) {
  if (!TRY(expect_boolean(value, at))) return {};
  return std::unexpected(
      unsupported(at, "Unsupported value: 'store' does not support true here: nothing is stored."));
}

Status check_metadata(const json::value& value, const Path& at, ParsedRequest&) {
  const auto& members = *TRY(expect_object(value, at));
  if (members.size() > kMaxMetadata) {
    return std::unexpected(invalid(
        at, "invalid_value", fmt::format("Invalid 'metadata': expected at most {} members.", kMaxMetadata)));
  }
  for (const auto& member : members) {
    TRY(expect_string(member.value(), Path(at, std::string_view(member.key())), 0, 512));
  }
  return {};
}

Expected<engine::Tool> read_function(Members& object) {
  engine::Tool tool;
  const auto name = TRY(object.need_text("name"));
  TRY_VOID(check_name(name, Path(object.at(), "name")));
  tool.name = name;
  tool.description = TRY(object.text("description"));
  if (const auto* parameters = object.find("parameters")) {
    tool.parameters = json::serialize(*TRY(expect_object(*parameters, Path(object.at(), "parameters"))));
  }
  tool.strict = TRY(object.flag("strict"));
  return tool;
}

Status add_tool(engine::Tool tool, const Path& at, ParsedRequest& to) {
  auto& tools = to.request.tools;
  if (std::ranges::find(tools, tool.name, &engine::Tool::name) != tools.end()) {
    return std::unexpected(invalid(at, "invalid_value", fmt::format("Two tools are named '{}'.", tool.name)));
  }
  tools.push_back(std::move(tool));
  return {};
}

Status set_named_tool(std::string_view name, const Path& at, ParsedRequest& to) {
  const auto& tools = to.request.tools;
  if (std::ranges::find(tools, name, &engine::Tool::name) == tools.end()) {
    return std::unexpected(
        invalid(at, "invalid_value",
                fmt::format("Invalid value for '{}': no tool of that name is in 'tools'.", at.text())));
  }
  to.request.tool_choice = {engine::ToolChoice::Kind::kNamed, std::string(name)};
  return {};
}

Status set_tool_mode(std::string_view mode, const Path& at, ParsedRequest& to) {
  using Kind = engine::ToolChoice::Kind;
  const Kind kind = mode == "auto" ? Kind::kAuto : mode == "none" ? Kind::kNone : Kind::kRequired;
  if (kind == Kind::kRequired && to.request.tools.empty()) {
    return std::unexpected(invalid(
        at, "invalid_value",
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."));
  }
  to.request.tool_choice.kind = kind;
  return {};
}

Status set_json_schema(Members& object, ParsedRequest& to) {
  auto& format = to.request.format;
  format.kind = engine::ResponseFormat::Kind::kJsonSchema;
  const auto name = TRY(object.need_text("name"));
  TRY_VOID(check_name(name, Path(object.at(), "name")));
  format.schema_name = name;
  format.schema = json::serialize(*TRY(object.need_object("schema")));
  TRY(object.text("description"));
  format.strict = TRY(object.flag("strict"));
  return {};
}

Status read_texts(const json::value& value, const Path& at, std::size_t most, std::vector<std::string>& to) {
  if (!value.is_array())
    return std::unexpected(invalid_type(at, "one of a string or array of strings", value));
  const auto& items = *TRY(expect_array(value, at, 1, most));
  if (items.front().is_number() || items.front().is_array()) {
    return std::unexpected(unsupported(
        at, fmt::format("Unsupported value: '{}' does not support token ids here; send text. (LangChain's "
                        "OpenAIEmbeddings sends text with check_embedding_ctx_length=False.)",
                        at.text())));
  }
  to.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    to.emplace_back(TRY(expect_string(items[i], Path(at, i), 1)));
  return {};
}

Expected<std::string> read_image_url(const json::value& value, const Path& at) {
  const auto url = TRY(expect_string(value, at, 1));
  if (!url.starts_with("data:image/") && !url.starts_with("https://")) {
    return std::unexpected(invalid(at, "invalid_value",
                                   fmt::format("Invalid '{}': expected a URL that starts with "
                                               "'https://' or 'data:image/'.",
                                               at.text())));
  }
  return std::string(url);
}

}  // namespace millrace::gateway::dialect
