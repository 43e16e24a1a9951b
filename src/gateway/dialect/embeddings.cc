// POST /v1/embeddings: texts in, one vector each out, as numbers or as base64.
#include <array>
#include <bit>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "gateway/dialect/answer_base.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/json_out.h"
#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"
#include "host/base64.h"

namespace millrace::gateway::dialect {
namespace {

constexpr std::size_t kMaxInputs = 2048;  // as the OpenAI API has it

Status set_input(const json::value& value, const Path& at, ParsedRequest& to) {
  auto& inputs = to.request.inputs;
  if (value.is_string()) {
    inputs.emplace_back(TRY(expect_string(value, at, 1)));
    return {};
  }
  return read_texts(value, at, kMaxInputs, inputs);
}

Status set_encoding(const json::value& value, const Path&, ParsedRequest& to) {
  to.base64 = value.get_string() == "base64";
  return {};
}

Status set_dimensions(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.dimensions = TRY(expect_integer(value, at));
  return {};
}

constexpr std::array kRows{
    kModelRow,
    required(
        other("input",
              R"({"anyOf":[{"type":"string","minLength":1},{"type":"array","minItems":1,"maxItems":2048,)"
              R"("items":{"type":"string","minLength":1}}]})",
              set_input)),
    choice("encoding_format", "float|base64", set_encoding),
    integer("dimensions", 1, 1 << 20, set_dimensions),
    kUserRow,
    kMetadataRow,
    kStoreRow,
    kServiceTierRow,
    kPromptCacheKeyRow,
    kSafetyIdentifierRow,
    kParallelToolCallsRow,
};
constexpr std::array<std::string_view, 2> kUnsupported{"output_dimension", "output_dtype"};
constexpr Table kTable{.rows = kRows, .unsupported = kUnsupported};

void append_float(std::string& out, float value) {
  if (!std::isfinite(value)) {
    out += '0';
    return;
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_floats(std::string& out, const std::vector<float>& values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_float(out, values[i]);
  }
  out += ']';
}

// Little-endian float32, as numpy reads it.
void append_base64(std::string& out, const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(values.size() * sizeof(float), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  out += '"';
  out += host::base64(bytes);
  out += '"';
}

class Vectors final : public WholeAnswer {
 public:
  Vectors(const ParsedRequest& parsed, AnswerMeta meta)
      : WholeAnswer(parsed.request, std::move(meta)),
        base64_(parsed.base64),
        count_(parsed.request.inputs.size()) {}

  void on_embedding(int index, std::vector<float> values) override {
    if (index >= 0 && static_cast<std::size_t>(index) < count_) vectors_[index] = std::move(values);
  }

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    std::string out = R"({"id":)";
    append_quoted(out, object_id("embd-", meta().request_id));
    out += R"(,"object":"list","data":[)";
    for (const auto& [index, values] : vectors_) {
      if (index != vectors_.begin()->first) out += ',';
      out += R"({"object":"embedding","index":)";
      append_number(out, static_cast<std::int64_t>(index));
      out += R"(,"embedding":)";
      if (base64_) {
        append_base64(out, values);
      } else {
        append_floats(out, values);
      }
      out += '}';
    }
    out += R"(],"model":)";
    append_quoted(out, meta().model);
    out += R"(,"usage":)";
    append_usage(out, UsageShape::kOpenAiEmbeddings, usage, footprint);
    out += '}';
    return out;
  }

  std::string fail(const ApiError& error) override { return render_openai_error(error); }

 private:
  bool base64_;
  std::size_t count_;
  std::map<int, std::vector<float>> vectors_;
};

class Embeddings final : public Dialect {
 public:
  std::string_view path() const override { return "/v1/embeddings"; }
  Expected<ParsedRequest> parse(std::string_view body) const override {
    return parse_body(body, kTable, engine::Task::kEmbed);
  }
  std::string render_error(const ApiError& error, const AnswerMeta&) const override {
    return render_openai_error(error);
  }
  std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const override {
    return std::make_unique<Vectors>(parsed, std::move(meta));
  }
  std::string parameters_schema() const override { return schema_of(kTable); }
};

}  // namespace

const Table& embeddings_table() { return kTable; }

std::unique_ptr<Dialect> make_embeddings() { return std::make_unique<Embeddings>(); }

}  // namespace millrace::gateway::dialect
