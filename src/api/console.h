// Console: the web pages built into the program, under /console/.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/call.h"
#include "core/embedded.h"

namespace millrace::api {

/// Constant after construction; safe from any thread.
class Console {
 public:
  /// `files` as made by millrace_embed with the folder console/ as ROOT: "index.html", "app.js", ...
  explicit Console(std::span<const EmbeddedFile> files);

  /// The answer to GET `path` ("/", "/console", "/console/..."), nullopt if that is not the console's. A path below
  /// /console/ that is no file and has no dot in its last part is a view of the page: it gets index.html.
  std::optional<Reply> get(std::string_view path, std::string_view if_none_match) const;

 private:
  struct File {
    std::string_view bytes;
    std::string etag;
  };
  Reply file_reply(std::string_view path, const File& file, std::string_view if_none_match) const;

  std::map<std::string, File, std::less<>> files_;
};

/// Content type by the ending of a file's name; application/octet-stream for one that is not known.
std::string_view content_type_of(std::string_view path);

}  // namespace millrace::api
