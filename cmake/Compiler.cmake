# Language level, warnings, linker, sanitizers: the same for every target of the project.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

find_program(MILLRACE_CCACHE ccache)
if(MILLRACE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MILLRACE_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
                    -Woverloaded-virtual -Wimplicit-fallthrough -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Statement expressions carry the TRY macro of core/result.h.
  add_compile_options(-Wthread-safety -Wno-gnu-statement-expression -fcolor-diagnostics)
  # "lld" is looked up beside the compiler first, so clang-19 takes lld-19.
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed)

if(MILLRACE_COUNTERS)
  add_compile_options(-fprofile-generate -fprofile-update=atomic)
  add_link_options(-fprofile-generate)
endif()
if(MILLRACE_PROFILE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 19)
  # By the name of its contents: a new profile changes every command, so that objects of two profiles, which do not link, never
  # meet in one build folder.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${MILLRACE_PROFILE})
  file(SHA256 ${MILLRACE_PROFILE} profile_hash)
  string(SUBSTRING ${profile_hash} 0 16 profile_hash)
  set(profile_copy ${CMAKE_BINARY_DIR}/profile-${profile_hash}.profdata)
  configure_file(${MILLRACE_PROFILE} ${profile_copy} COPYONLY)
  # What the profile does not know, or knows from before a change, is built as without it: no reason to warn.
  add_compile_options(-fprofile-use=${profile_copy} -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date
                      -Wno-backend-plugin)
endif()

if(MILLRACE_SANITIZE)
  add_compile_options(-fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MILLRACE_SANITIZE})
endif()
