# sv_library(name SOURCES … DEPS … PRIVATE_DEPS …): one static library a module; vendor libraries are PRIVATE_DEPS.
# sv_test(name SOURCES … DEPS …): one GoogleTest binary, registered with ctest as one test.
# sv_fuzz(name SOURCES … DEPS …): a libFuzzer target in the asan preset, absent elsewhere.

set(SV_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

# Asio and the standard library are parsed once.
add_library(sv_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
target_precompile_headers(sv_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
target_link_libraries(sv_pch PUBLIC fmt::fmt Threads::Threads)
target_compile_definitions(sv_pch PUBLIC BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)
target_include_directories(sv_pch PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)

function(sv_target name)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/gen)
  target_compile_definitions(${name} PUBLIC BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)
  target_link_libraries(${name} PUBLIC fmt::fmt Threads::Threads)
  target_precompile_headers(${name} REUSE_FROM sv_pch)
  target_compile_options(${name} PRIVATE ${SV_WARNINGS})
endfunction()

function(sv_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  sv_target(${name})
  target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
endfunction()

function(sv_test name)
  if(NOT SV_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  sv_target(${name})
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()

# What guides libFuzzer. Libraries under test take it too; unlike -fsanitize=fuzzer it agrees with the precompiled header.
set(SV_COVERAGE -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp)

function(sv_fuzz name)
  if(NOT SV_SANITIZE MATCHES "address")
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  sv_target(${name})
  target_compile_options(${name} PRIVATE ${SV_COVERAGE})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE ${A_DEPS})
endfunction()
