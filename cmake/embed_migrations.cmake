# sv_migrations(target service): compiles services/<service>/migrations/*.sql into gen/services/<service>/migrations.h, which has
#   namespace sv::<service> { std::span<const sql::Migration> migrations(); }
# in name order. Run as a script (-DOUT=… -DSERVICE=… -DDIR=…) it writes that header.
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB files LIST_DIRECTORIES false "${DIR}/*.sql")
  list(SORT files)
  set(rows "")
  set(count 0)
  foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME)
    file(READ "${file}" text)
    string(APPEND rows "      {\"${SERVICE}/${name}\", R\"svsql(${text})svsql\"},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  if(count EQUAL 0)
    message(FATAL_ERROR "no migrations in ${DIR}")
  endif()
  file(WRITE "${OUT}" "#pragma once

#include <array>
#include <span>

#include \"platform/ports/sql.h\"

namespace sv::${SERVICE} {

inline std::span<const sql::Migration> migrations() {
  static constexpr std::array<sql::Migration, ${count}> kAll{{
${rows}  }};
  return kAll;
}

}  // namespace sv::${SERVICE}
")
  return()
endif()

set(SV_EMBED_MIGRATIONS ${CMAKE_CURRENT_LIST_FILE})

function(sv_migrations target service)
  set(dir ${CMAKE_SOURCE_DIR}/services/${service}/migrations)
  file(GLOB files CONFIGURE_DEPENDS ${dir}/*.sql)
  set(out ${CMAKE_BINARY_DIR}/gen/services/${service}/migrations.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSERVICE=${service} -DDIR=${dir} -P ${SV_EMBED_MIGRATIONS}
    DEPENDS ${files} ${SV_EMBED_MIGRATIONS}
    COMMENT "migrations of ${service}" VERBATIM)
  add_custom_target(sv_${service}_migrations DEPENDS ${out})
  add_dependencies(${target} sv_${service}_migrations)
endfunction()
