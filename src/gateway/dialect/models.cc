#include "gateway/dialect/models.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "core/clock.h"
#include "gateway/dialect/json_out.h"

namespace millrace::gateway::dialect {
namespace {

struct PageQuery {
  std::size_t limit = 20;
  std::optional<std::string_view> after;
  std::optional<std::string_view> before;
};

ApiError bad_limit(std::string_view found) {
  return {400, "invalid_request_error", "invalid_value", "limit",
          fmt::format("limit: expected an integer from 1 to 1000, but got '{}'", found)};
}

// Ids are names of endpoints (core/id.h), which no percent-encoding client escapes, so none is decoded here.
std::expected<PageQuery, ApiError> parse_query(std::string_view query) {
  PageQuery page;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = pair.substr(0, equals);
    const auto value = pair.substr(equals + 1);
    if (name == "after_id" && !value.empty()) page.after = value;
    if (name == "before_id" && !value.empty()) page.before = value;
    if (name != "limit") continue;
    const auto end = value.data() + value.size();
    const auto [stop, fault] = std::from_chars(value.data(), end, page.limit);
    if (fault != std::errc() || stop != end || page.limit < 1 || page.limit > 1000) {
      return std::unexpected(bad_limit(value));
    }
  }
  return page;
}

struct Window {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool more = false;
};

// after_id: the items that follow it. before_id: the ones right before it. An id that is not there: none.
Window window_of(std::span<const ModelItem> models, const PageQuery& page) {
  const auto position = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(models, name, &ModelItem::name) - models.begin());
  };
  if (page.before) {
    const auto end = position(*page.before);
    if (end == models.size()) return {};
    const auto begin = end > page.limit ? end - page.limit : 0;
    return {begin, end, begin > 0};
  }
  const auto begin = page.after ? std::min(models.size(), position(*page.after) + 1) : 0;
  const auto end = std::min(models.size(), begin + page.limit);
  return {begin, end, end < models.size()};
}

void append_openai(std::string& out, const ModelItem& model) {
  out += R"({"id":)";
  append_quoted(out, model.name);
  out += R"(,"object":"model","created":)";
  append_number(out, model.created_s);
  out += R"(,"owned_by":"millrace","type":"base","name":)";
  append_quoted(out, model.name);
  out += R"(,"description":null)";
  if (model.context_tokens > 0) {
    out += R"(,"max_context_length":)";
    append_number(out, model.context_tokens);
  }
  out += R"(,"capabilities":{"completion_chat":)";
  out += model.embeds ? "false" : "true";
  // Any model that answers takes tools: where its template has none, a required one is enforced by a schema.
  out += R"(,"function_calling":)";
  out += model.embeds ? "false" : "true";
  out += R"(,"completion_fim":false,"fine_tuning":false,"vision":false,"embeddings":)";
  out += model.embeds ? "true" : "false";
  out += "}}";
}

void append_anthropic(std::string& out, const ModelItem& model) {
  out += R"({"type":"model","id":)";
  append_quoted(out, model.name);
  out += R"(,"display_name":)";
  append_quoted(out, model.name);
  out += R"(,"created_at":)";
  append_quoted(out, to_rfc3339(TimePoint(std::chrono::seconds(model.created_s))));
  out += '}';
}

}  // namespace

std::string render_models_openai(std::span<const ModelItem> models) {
  std::string out = R"({"object":"list","data":[)";
  for (const auto& model : models) {
    if (&model != models.data()) out += ',';
    append_openai(out, model);
  }
  out += "]}";
  return out;
}

std::string render_model_openai(const ModelItem& model) {
  std::string out;
  append_openai(out, model);
  return out;
}

std::expected<std::string, ApiError> render_models_anthropic(std::span<const ModelItem> models,
                                                             std::string_view query) {
  const auto page = parse_query(query);
  if (!page) return std::unexpected(page.error());
  const Window window = window_of(models, *page);
  const auto shown = models.subspan(window.begin, window.end - window.begin);
  std::string out = R"({"data":[)";
  for (const auto& model : shown) {
    if (&model != shown.data()) out += ',';
    append_anthropic(out, model);
  }
  out += R"(],"has_more":)";
  out += window.more ? "true" : "false";
  out += R"(,"first_id":)";
  append_quoted_or_null(out, shown.empty() ? "" : shown.front().name);
  out += R"(,"last_id":)";
  append_quoted_or_null(out, shown.empty() ? "" : shown.back().name);
  out += '}';
  return out;
}

std::string render_model_anthropic(const ModelItem& model) {
  std::string out;
  append_anthropic(out, model);
  return out;
}

}  // namespace millrace::gateway::dialect
