"""`OracleCode`: what price sources refuse. Numbers 087x."""

from clearing.base.errors import CodeBook


class OracleCode(CodeBook):
    """Refusals of the oracle."""

    PRICE_SOURCE_UNUSABLE = 870


REMEDIES: dict[OracleCode, str] = {
    OracleCode.PRICE_SOURCE_UNUSABLE: "The price file or its schedule cannot be read. Check [oracle] in node.toml.",
}
