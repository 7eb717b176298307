"""What we have in a database, object by object, as the engine itself spells it: two are alike or this differs."""

import re

import sqlalchemy as sa

SPACE = re.compile(r"('(?:[^']|'')*')|\s+")
LITE = """
SELECT type || ' ' || name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND tbl_name <> 'penstock_alembic_version' AND name NOT LIKE 'sqlite_%'
"""
NATIVE = """
WITH ours AS (
    SELECT c.oid, c.relname, c.relkind, c.relacl FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('penstock') AND c.relname !~ '^alembic_version'
)
SELECT 'column ' || o.relname || '.' || a.attname, concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod),
           'not null: ' || a.attnotnull, a.attidentity, 'default: ' || pg_get_expr(d.adbin, d.adrelid))
    FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
    WHERE o.relkind = 'r'
UNION ALL SELECT 'constraint ' || o.relname || '.' || c.conname, pg_get_constraintdef(c.oid) || ' ' || c.convalidated
    FROM ours o JOIN pg_constraint c ON c.conrelid = o.oid
UNION ALL SELECT 'index ' || o.relname, pg_get_indexdef(o.oid) FROM ours o WHERE o.relkind = 'i'
UNION ALL SELECT 'sequence ' || o.relname, '' FROM ours o WHERE o.relkind = 'S'
UNION ALL SELECT 'view ' || o.relname, pg_get_viewdef(o.oid) FROM ours o WHERE o.relkind = 'v'
UNION ALL SELECT 'trigger ' || o.relname || '.' || t.tgname, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
    FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid AND NOT t.tgisinternal
UNION ALL SELECT 'function ' || p.proname, pg_get_functiondef(p.oid)
    FROM pg_proc p WHERE p.pronamespace = to_regnamespace('penstock')
UNION ALL SELECT 'grant ' || r.rolname || ' ' || o.relname, string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
    FROM ours o, aclexplode(o.relacl) g JOIN pg_roles r ON r.oid = g.grantee
    WHERE r.rolname LIKE 'penstock%' GROUP BY r.rolname, o.relname
UNION ALL SELECT 'grant ' || r.rolname || ' schema', g.privilege_type
    FROM pg_namespace n, aclexplode(n.nspacl) g JOIN pg_roles r ON r.oid = g.grantee
    WHERE n.nspname = 'penstock' AND r.rolname LIKE 'penstock%'
"""


def objects(connection: sa.Connection) -> dict[str, str]:
    """Every object's definition by its kind and name. White space outside of literals is layout, and may differ."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(LITE, execution_options={"no_parameters": True}).all()
    else:
        # PostgreSQL leaves a schema out where the search path leads to it.
        before = connection.exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
        connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
        rows = connection.exec_driver_sql(NATIVE, execution_options={"no_parameters": True}).all()
        connection.exec_driver_sql(f"SET LOCAL search_path = {before}")
    return {name: SPACE.sub(lambda found: found[1] or " ", definition).strip() for name, definition in rows}


def kinds(found: dict[str, str], *wanted: str) -> dict[str, str]:
    """The objects of some kinds."""
    return {name: definition for name, definition in found.items() if name.split()[0] in wanted}
