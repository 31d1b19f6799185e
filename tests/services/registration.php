<?php
// X-Road's test service on PHP's own SOAP server: repeats the headers that it was given and answers by the published WSDL.
ini_set('soap.wsdl_cache_enabled', '0');
const XROAD = 'http://x-road.eu/xsd/xroad.xsd';

class TestService
{
    /** Header blocks arrive as calls; each goes back as it came, but an id that begins with "other" is changed. */
    public function __call(string $name, array $arguments): SoapHeader
    {
        $value = $arguments[0];
        if ($name === 'id' && str_starts_with($value, 'other')) {
            $value = 'another';
        }
        // Returned, not added: PHP 8.2 ends with a segmentation fault when a header's own handler calls addSoapHeader.
        return new SoapHeader(XROAD, $name, $value);
    }

    public function xroadGetRandom(object $question): array
    {
        return ['random' => $question->seed];
    }

    public function bodyMassIndex(object $question): array
    {
        if ($question->height < 0) {
            throw new SoapFault('Server.ServerProxy.NetworkError', 'Could not connect to any target host');
        }
        if ($question->height == 0) {
            throw new SoapFault('Client', 'No height: <0 & "nothing"');
        }
        return ['bodyMassIndex' => $question->weight / ($question->height * $question->height)];
    }
}

$server = new SoapServer(getenv('TEST_WSDL'));
$server->setObject(new TestService());
$server->handle();
