set(MILLRACE_EMBED ${CMAKE_CURRENT_LIST_DIR}/embed.py)

# millrace_embed(<module> <namespace> <function> ROOT dir FILES a b ...)
# Adds to the module a generated function  std::span<const millrace::EmbeddedFile> <namespace>::<function>()
# declared in "embed/<function>.h". Paths are relative to ROOT, in the order of FILES; made again when a file changes.
function(millrace_embed module namespace function)
  cmake_parse_arguments(PARSE_ARGV 3 E "" "ROOT" "FILES")
  get_filename_component(root ${E_ROOT} ABSOLUTE)
  set(inputs "")
  foreach(file IN LISTS E_FILES)
    if(NOT EXISTS ${root}/${file})
      message(FATAL_ERROR "millrace_embed(${function}): ${root}/${file} does not exist")
    endif()
    list(APPEND inputs ${root}/${file})
  endforeach()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(header ${folder}/embed/${function}.h)
  set(source ${folder}/embed/${function}.cc)
  string(REPLACE ";" "\n" names "${E_FILES}")
  file(GENERATE OUTPUT ${folder}/${function}.list CONTENT "${names}\n")
  add_custom_command(
    OUTPUT ${header} ${source}
    COMMAND ${Python3_EXECUTABLE} ${MILLRACE_EMBED} ${namespace} ${function} ${root}
            ${folder}/${function}.list ${header} ${source}
    DEPENDS ${inputs} ${folder}/${function}.list ${MILLRACE_EMBED}
    COMMENT "Embedding ${function}" VERBATIM)
  target_sources(millrace_${module} PRIVATE ${source} ${header})
  target_include_directories(millrace_${module} PUBLIC ${folder})
endfunction()
