//! Which device candle computes on.

use candle_core::Device as CandleDevice;

use crate::domain::spec::Device;
use crate::engine::EngineError;

/// Opens a device; [`Device::Cpu`] and [`Device::CandleCpu`] are both the processor here.
///
/// # Errors
/// [`EngineError::DeviceNotBuilt`] when this program was built without it,
/// [`EngineError::DeviceUnavailable`] when the machine has none that works.
pub fn open(device: Device) -> Result<CandleDevice, EngineError> {
    let (name, is_built) = match device {
        Device::Cpu | Device::CandleCpu => return Ok(CandleDevice::Cpu),
        Device::Cuda => ("cuda", cfg!(feature = "cuda")),
        Device::Metal => ("metal", cfg!(feature = "metal")),
    };
    if !is_built {
        return Err(EngineError::DeviceNotBuilt { device: name });
    }
    let opened = match device {
        Device::Metal => CandleDevice::new_metal(0),
        _ => CandleDevice::new_cuda(0),
    };
    opened
        .map_err(|error| EngineError::DeviceUnavailable { device: name, detail: error.to_string() })
}

/// Its name in tables.
#[must_use]
pub fn name(device: &CandleDevice) -> &'static str {
    match device {
        CandleDevice::Cpu => "cpu (candle)",
        CandleDevice::Cuda(_) => "cuda",
        CandleDevice::Metal(_) => "metal",
    }
}
