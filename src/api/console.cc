#include "api/console.h"

#include <array>
#include <utility>

#include "host/sha256.h"

namespace millrace::api {

namespace {

// Nothing from elsewhere and nothing inline. Scripts may still set styles through the DOM, as plots do.
constexpr std::string_view kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

}  // namespace

std::string_view content_type_of(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

Console::Console(std::span<const EmbeddedFile> files) {
  for (const EmbeddedFile& file : files) {
    files_.emplace(std::string(file.path),
                   File{file.bytes, '"' + host::sha256_hex(file.bytes).substr(0, 32) + '"'});
  }
}

Reply Console::file_reply(std::string_view path, const File& file, std::string_view if_none_match) const {
  Reply reply{200, std::string(content_type_of(path)), std::string(file.bytes), {}};
  reply.headers = {{"etag", file.etag},
                   {"cache-control", "no-cache"},
                   {"content-security-policy", std::string(kPolicy)},
                   {"referrer-policy", "no-referrer"},
                   {"x-frame-options", "DENY"}};
  if (if_none_match == "*" || if_none_match.find(file.etag) != std::string_view::npos) {
    reply.status = 304;
    reply.body.clear();
    reply.content_type.clear();
  }
  return reply;
}

std::optional<Reply> Console::get(std::string_view path, std::string_view if_none_match) const {
  constexpr std::string_view kFolder = "/console/";
  if (path == "/" || path == "/console") return Reply{302, "", "", {{"location", std::string(kFolder)}}};
  if (!path.starts_with(kFolder)) return std::nullopt;
  std::string_view name = path.substr(kFolder.size());
  const bool is_view = name.substr(name.rfind('/') + 1).find('.') == std::string_view::npos;
  auto file = files_.find(name);
  if (file == files_.end() && is_view) file = files_.find(name = "index.html");
  if (file == files_.end()) return Reply{404, "text/plain; charset=utf-8", "no such file\n", {}};
  return file_reply(name, file->second, if_none_match);
}

}  // namespace millrace::api
