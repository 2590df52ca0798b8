"""Units and quantities, by name: built into DTDL v2, an extension, quantitativeTypes, in v3."""

UNITS: dict[str, str] = {
    "AccelerationUnit": "centimetrePerSecondSquared gForce metrePerSecondSquared",
    "AngleUnit": "degreeOfArc minuteOfArc radian secondOfArc turn",
    "AngularAccelerationUnit": "radianPerSecondSquared",
    "AngularVelocityUnit": "degreePerSecond radianPerSecond revolutionPerMinute revolutionPerSecond",
    "AreaUnit": (
        "acre hectare squareCentimetre squareFoot squareInch squareKilometre squareMetre squareMillimetre"
    ),
    "CapacitanceUnit": "farad microfarad millifarad nanofarad picofarad",
    "ChargeUnit": "coulomb",
    "CurrentUnit": "ampere microampere milliampere",
    "DataRateUnit": (
        "bitPerSecond bytePerSecond exbibitPerSecond exbibytePerSecond gibibitPerSecond "
        "gibibytePerSecond kibibitPerSecond kibibytePerSecond mebibitPerSecond mebibytePerSecond "
        "tebibitPerSecond tebibytePerSecond yobibitPerSecond yobibytePerSecond zebibitPerSecond "
        "zebibytePerSecond"
    ),
    "DataSizeUnit": (
        "bit byte exbibit exbibyte gibibit gibibyte kibibit kibibyte mebibit mebibyte tebibit "
        "tebibyte yobibit yobibyte zebibit zebibyte"
    ),
    "DensityUnit": "gramPerCubicMetre kilogramPerCubicMetre",
    "EnergyUnit": "electronvolt gigajoule joule kilojoule kilowattHour megaelectronvolt megajoule",
    "ForceUnit": "newton ounce pound ton",
    "FrequencyUnit": "gigahertz hertz kilohertz megahertz",
    "IlluminanceUnit": "footcandle lux",
    "InductanceUnit": "henry microhenry millihenry",
    "LengthUnit": (
        "astronomicalUnit centimetre foot inch kilometre metre micrometre mile millimetre nanometre "
        "nauticalMile"
    ),
    "LuminanceUnit": "candelaPerSquareMetre",
    "LuminousFluxUnit": "lumen",
    "LuminousIntensityUnit": "candela",
    "MagneticFluxUnit": "maxwell weber",
    "MagneticInductionUnit": "tesla",
    "MassFlowRateUnit": "gramPerHour gramPerSecond kilogramPerHour kilogramPerSecond",
    "MassUnit": "gram kilogram microgram milligram slug tonne",
    "PowerUnit": "gigawatt horsepower kilowatt kilowattHourPerYear megawatt microwatt milliwatt watt",
    "PressureUnit": (
        "bar inchesOfMercury inchesOfWater kilopascal millibar millimetresOfMercury pascal poundPerSquareInch"
    ),
    "ResistanceUnit": "kiloohm megaohm milliohm ohm",
    "SoundPressureUnit": "bel decibel",
    "TemperatureUnit": "degreeCelsius degreeFahrenheit kelvin",
    "TimeUnit": "day hour microsecond millisecond minute nanosecond second year",
    "TorqueUnit": "newtonMetre",
    "Unitless": "percent unity",
    "VelocityUnit": (
        "centimetrePerSecond kilometrePerHour kilometrePerSecond knot metrePerHour metrePerSecond "
        "milePerHour milePerSecond"
    ),
    "VoltageUnit": "kilovolt megavolt microvolt millivolt volt",
    "VolumeFlowRateUnit": "litrePerHour litrePerSecond millilitrePerHour millilitrePerSecond",
    "VolumeUnit": "cubicCentimetre cubicFoot cubicInch cubicMetre fluidOunce gallon litre millilitre",
}
"""Unit type -> its units, separated by spaces, in v2 and in quantitativeTypes."""

UNITS_OF_THE_EXTENSION: dict[str, str] = {
    "ApparentEnergyUnit": "gigavoltAmpereHour kilovoltAmpereHour megavoltAmpereHour voltAmpereHour",
    "ApparentPowerUnit": "gigavoltAmpere kilovoltAmpere megavoltAmpere millivoltAmpere voltAmpere",
    "ChargeUnit": "ampereHour milliampereHour",
    "CurrentUnit": "kiloampere",
    "DensityUnit": "microgramPerCubicMetre milligramPerCubicMetre",
    "EnergyUnit": (
        "britishThermalUnit gigawattHour kiloBritishThermalUnit megawattHour milliwattHour "
        "terawattHour wattHour"
    ),
    "FrequencyUnit": "millihertz",
    "IonizingRadiationDoseUnit": "gray microgray microsievert milligray millisievert sievert",
    "IrradianceUnit": "wattPerSquareMetre",
    "MagneticInductionUnit": "gauss",
    "MassFlowRateUnit": "massPoundPerHour",
    "MassUnit": "massPound",
    "PowerUnit": (
        "britishThermalUnitPerHour gigajoulePerHour joulePerHour joulePerSecond "
        "kiloBritishThermalUnitPerHour kilojoulePerHour kilojoulePerSecond megajoulePerHour "
        "tonOfRefrigeration"
    ),
    "PressureUnit": "decapascal hectopascal",
    "RadioactivityUnit": "becquerel gigabecquerel kilobecquerel megabecquerel",
    "ReactiveEnergyUnit": (
        "gigavoltAmpereReactiveHour kilovoltAmpereReactiveHour megavoltAmpereReactiveHour "
        "voltAmpereReactiveHour"
    ),
    "ReactivePowerUnit": (
        "gigavoltAmpereReactive kilovoltAmpereReactive megavoltAmpereReactive millivoltAmpereReactive "
        "voltAmpereReactive"
    ),
    "Unitless": "partsPerBillion partsPerMillion partsPerQuadrillion partsPerTrillion",
    "VolumeFlowRateUnit": (
        "cubicFootPerMinute cubicMetrePerHour cubicMetrePerMinute cubicMetrePerSecond gallonPerHour "
        "gallonPerMinute litrePerMinute millilitrePerMinute"
    ),
}
"""What quantitativeTypes adds to them."""

QUANTITIES: dict[str, str] = {
    "AccelerationUnit": "Acceleration",
    "AngleUnit": "Angle Latitude Longitude",
    "AngularAccelerationUnit": "AngularAcceleration",
    "AngularVelocityUnit": "AngularVelocity",
    "AreaUnit": "Area",
    "CapacitanceUnit": "Capacitance",
    "ChargeUnit": "ElectricCharge",
    "CurrentUnit": "Current",
    "DataRateUnit": "DataRate",
    "DataSizeUnit": "DataSize",
    "DensityUnit": "Density Humidity",
    "EnergyUnit": "Energy",
    "ForceUnit": "Force Thrust",
    "FrequencyUnit": "Frequency",
    "IlluminanceUnit": "Illuminance",
    "InductanceUnit": "Inductance",
    "LengthUnit": "Distance Length",
    "LuminanceUnit": "Luminance",
    "LuminousFluxUnit": "LuminousFlux",
    "LuminousIntensityUnit": "LuminousIntensity",
    "MagneticFluxUnit": "MagneticFlux",
    "MagneticInductionUnit": "MagneticInduction",
    "MassFlowRateUnit": "MassFlowRate",
    "MassUnit": "Mass",
    "PowerUnit": "Luminosity Power",
    "PressureUnit": "Pressure",
    "ResistanceUnit": "Resistance",
    "SoundPressureUnit": "SoundPressure",
    "TemperatureUnit": "Temperature",
    "TimeUnit": "TimeSpan",
    "TorqueUnit": "Torque",
    "Unitless": "RelativeHumidity",
    "VelocityUnit": "Velocity",
    "VoltageUnit": "Voltage",
    "VolumeFlowRateUnit": "VolumeFlowRate",
    "VolumeUnit": "Volume",
}
"""Unit type -> the semantic types whose values it measures, in v2 and in quantitativeTypes."""

QUANTITIES_OF_THE_EXTENSION: dict[str, str] = {
    "ApparentEnergyUnit": "ApparentEnergy",
    "ApparentPowerUnit": "ApparentPower",
    "IonizingRadiationDoseUnit": "IonizingRadiationDose",
    "IrradianceUnit": "Irradiance",
    "PowerUnit": "EnergyRate",
    "RadioactivityUnit": "Radioactivity",
    "ReactiveEnergyUnit": "ReactiveEnergy",
    "ReactivePowerUnit": "ReactivePower",
    "Unitless": "Concentration RelativeDensity",
}
"""What quantitativeTypes adds to them."""
DECIMAL_PREFIXES = (
    "atto centi deci exa femto giga hecto kilo mega micro milli nano peta pico tera yocto yotta zepto zetta"
)
BINARY_PREFIXES = "exbi gibi kibi mebi pebi tebi yobi zebi"
