"""The grammar of Cosmos DB's SQL, for lark's LALR parser.

Keywords are reserved everywhere, as in Azure: a property named `value` or `order` is written c["value"].
The lexer knows one kind of word; `parser.py` turns reserved ones into keywords.
"""

KEYWORDS = frozenset(
    [
        "AND",
        "ARRAY",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "CASE",
        "CAST",
        "CONVERT",
        "CROSS",
        "DESC",
        "DISTINCT",
        "ELSE",
        "END",
        "ESCAPE",
        "EXISTS",
        "FALSE",
        "FOR",
        "FROM",
        "GROUP",
        "HAVING",
        "IN",
        "INNER",
        "INSERT",
        "INTO",
        "IS",
        "JOIN",
        "LIKE",
        "LIMIT",
        "NOT",
        "NULL",
        "OFFSET",
        "ON",
        "OR",
        "ORDER",
        "OUTER",
        "OVER",
        "SELECT",
        "SET",
        "THEN",
        "TOP",
        "TRUE",
        "UDF",
        "UNDEFINED",
        "UPDATE",
        "VALUE",
        "WHEN",
        "WHERE",
        "WITH",
    ]
)

GRAMMAR = (
    r"""
start: query

query: SELECT distinct? top? projection from_clause? where? group_by? order_by? offset_limit?
distinct: DISTINCT
top: TOP count
?count: NUMBER | PARAMETER

projection: STAR                          -> select_all
          | VALUE expression              -> select_value
          | select_item ("," select_item)* -> select_list
select_item: expression (AS? WORD)?

from_clause: FROM source join*
join: JOIN source
source: collection (AS? WORD)?            -> whole
      | WORD IN collection                -> each
?collection: path | "(" query ")"         -> derived
path: WORD step*
step: "." WORD                            -> dot
    | "[" (STRING | NUMBER | PARAMETER) "]" -> bracket

where: WHERE expression
group_by: GROUP BY expression ("," expression)*
order_by: ORDER BY order_item ("," order_item)*
order_item: expression (ASC | DESC)?
offset_limit: OFFSET count LIMIT count

?expression: conditional
?conditional: coalesce | coalesce "?" expression ":" expression -> ternary
?coalesce: disjunction | coalesce "??" disjunction -> coalesced
?disjunction: conjunction | conjunction (OR conjunction)+ -> either
?conjunction: negation | negation (AND negation)+ -> both
?negation: comparison | NOT negation -> negate
?comparison: bit_or
    | comparison COMPARE bit_or -> compare
    | bit_or NOT? IN "(" expression ("," expression)* ")" -> within
    | bit_or NOT? BETWEEN bit_or AND bit_or -> between
    | bit_or NOT? LIKE bit_or (ESCAPE STRING)? -> like
?bit_or: bit_xor | bit_or "|" bit_xor -> bitwise_or
?bit_xor: bit_and | bit_xor "^" bit_and -> bitwise_xor
?bit_and: sum | bit_and "&" sum -> bitwise_and
?sum: product | sum ADD product -> arithmetic
?product: unary | product MULTIPLY unary -> arithmetic
    | product STAR unary -> arithmetic
?unary: postfix | ADD unary -> signed | "~" unary -> bitwise_not
?postfix: primary | postfix "." WORD -> member | postfix "[" expression "]" -> index
?primary: NUMBER -> number | STRING -> string | TRUE -> true | FALSE -> false | NULL -> null
    | UNDEFINED -> undefined | PARAMETER -> parameter | WORD -> name
    | WORD "(" [expression ("," expression)*] ")" -> call
    | UDF "." WORD "(" [expression ("," expression)*] ")" -> udf
    | EXISTS "(" query ")" -> exists
    | ARRAY "(" query ")" -> array_of
    | "(" query ")" -> scalar
    | "(" expression ")"
    | "[" [expression ("," expression)*] "]" -> array
    | "{" [pair ("," pair)*] "}" -> object
pair: (WORD | STRING) ":" expression

COMPARE: "<=" | ">=" | "!=" | "<>" | "<" | ">" | "="
ADD: "||" | "+" | "-"
MULTIPLY: "/" | "%"
STAR: "*"
WORD: /[A-Za-z_][A-Za-z0-9_]*/
PARAMETER: /@[A-Za-z_][A-Za-z0-9_]*/
NUMBER: /(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?/
STRING: /'([^'\\]|\\.)*'|"([^"\\]|\\.)*"/s
COMMENT: /--[^\n]*/
%ignore COMMENT
%ignore /\s+/
%declare """
    + " ".join(sorted(KEYWORDS))
    + "\n"
)
