# Compiler settings that hold for all of Pebbles' own code.
find_program(PEBBLES_CCACHE ccache)
if(PEBBLES_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${PEBBLES_CCACHE})
endif()

add_library(pebbles_settings INTERFACE)
target_compile_options(pebbles_settings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                                                  -Wimplicit-fallthrough
                                                 -pthread)  # everywhere alike, or precompiled headers do not fit
if(CMAKE_UNITY_BUILD)
  # Of sources that are compiled as one these say what they do not mean; the debug build, without that, has the first.
  target_compile_options(pebbles_settings INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
option(PEBBLES_WERROR "Treat warnings as errors" OFF)
if(PEBBLES_WERROR)
  target_compile_options(pebbles_settings INTERFACE -Werror)
endif()

find_program(PEBBLES_MOLD mold)
if(PEBBLES_MOLD AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  target_link_options(pebbles_settings INTERFACE -fuse-ld=mold)
endif()

if(PEBBLES_SANITIZE)
  target_compile_options(pebbles_settings INTERFACE -fsanitize=${PEBBLES_SANITIZE} -fno-sanitize-recover=all
                                                    -fno-omit-frame-pointer)
  target_link_options(pebbles_settings INTERFACE -fsanitize=${PEBBLES_SANITIZE})
endif()
if(PEBBLES_CRASH_POINTS)
  target_compile_definitions(pebbles_settings INTERFACE PEBBLES_CRASH_POINTS)
endif()
target_compile_definitions(pebbles_settings INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                                                      BOOST_BEAST_SEPARATE_COMPILATION)
