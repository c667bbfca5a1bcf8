# Puts files into a library: pebbles_embed(LIBRARY NAMESPACE FOLDER FILE…) defines a std::string_view in that namespace
# for each file of src/FOLDER, named after it (page.css: page_css), and makes it anew when the file changes. The folder's
# embedded.hpp declares them. CMake runs this same file as a script to write one source.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${INPUT} bytes HEX)
  # A character a byte: no quoting to get wrong, and no limit on the length of literals.
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  file(WRITE ${OUTPUT} "#include \"${HEADER}\"\n\nnamespace {\nconstexpr char bytes[] = {${bytes}};\n}  // namespace\n\n"
                       "constinit const std::string_view ${NAMESPACE}::${NAME}{bytes, sizeof bytes};\n")
  return()
endif()

set(pebbles_embed_script ${CMAKE_CURRENT_LIST_FILE})

function(pebbles_embed library namespace folder)
  foreach(file IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER ${file} name)
    set(input ${PROJECT_SOURCE_DIR}/src/${folder}/${file})
    set(output ${PROJECT_BINARY_DIR}/embedded/${folder}/${name}.cpp)
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DINPUT=${input} -DOUTPUT=${output} -DHEADER=${folder}/embedded.hpp
              -DNAMESPACE=${namespace} -DNAME=${name} -P ${pebbles_embed_script}
      DEPENDS ${input} ${pebbles_embed_script}
      VERBATIM)
    target_sources(${library} PRIVATE ${output})
    set_source_files_properties(${output} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)  # each has its own `bytes`
  endforeach()
endfunction()
