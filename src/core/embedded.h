// A file that was put into the program at build time (cmake/Embed.cmake).
#pragma once

#include <string_view>

namespace millrace {

struct EmbeddedFile {
  std::string_view path;   // relative to the ROOT given to millrace_embed, with '/'
  std::string_view bytes;  // the whole file; lives as long as the program
};

}  // namespace millrace
